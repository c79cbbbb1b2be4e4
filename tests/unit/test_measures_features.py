"""What is measured of pictures gives torch-fidelity's FID, KID and Inception Score, however pictures are batched."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity

from ldm3d.config import InceptionConfig
from ldm3d.images import encode_rgb
from ldm3d.measures import Batch
from ldm3d.measures.features import features_of
from ldm3d.metrics.gaussian import GaussianSums, frechet_distance
from ldm3d.metrics.inception_score import InceptionScoreSums, split_of
from ldm3d.metrics.kernel_distance import kernel_distance
from ldm3d.toy.inception_weights import make_inception_weights
from ldm3d.toy.scenes import Scene, render

COUNT, SUBSET = 12, 6


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    make_inception_weights(path)
    return str(path)


@pytest.fixture(scope="module")
def pictures() -> tuple[list[np.ndarray], list[np.ndarray]]:
    scenes = [render(Scene.from_seed(seed), 40).image for seed in range(2 * COUNT)]
    return scenes[:COUNT], [255 - scene for scene in scenes[COUNT:]]


def batch(images: list[np.ndarray]) -> Batch:
    return Batch(np.arange(len(images)), np.zeros(len(images), np.int32), images)


def columns(images: list[np.ndarray], config: InceptionConfig) -> tuple[np.ndarray, np.ndarray]:
    table = features_of(config, "cpu")(batch(images))
    return tuple(np.array(table[name].to_pylist(), np.float32) for name in ("pool", "logits"))


def test_distances_and_scores_are_those_of_torch_fidelity(weights, pictures, tmp_path):
    """Its mean and ours differ in the last bits of float32 features, of which distances are differences."""
    for name, images in zip(("one", "other"), pictures, strict=True):
        (tmp_path / name).mkdir()
        for place, image in enumerate(images):
            (tmp_path / name / f"{place:02d}.png").write_bytes(encode_rgb(image))
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "one"),
        input2=str(tmp_path / "other"),
        fid=True,
        kid=True,
        isc=True,
        isc_splits=2,
        kid_subsets=5,
        kid_subset_size=SUBSET,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        feature_extractor_weights_path=weights,
    )
    (one, logits), (other, _) = (columns(images, InceptionConfig(weights=weights)) for images in pictures)
    assert frechet_distance(GaussianSums.of(one), GaussianSums.of(other)) == pytest.approx(
        theirs["frechet_inception_distance"], rel=1e-5
    )
    mean, std = kernel_distance(one, other, subsets=5, subset_size=SUBSET)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert std == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-3)
    score, spread = InceptionScoreSums.of(logits, split_of(COUNT, 2), 2).score()
    assert score == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert spread == pytest.approx(theirs["inception_score_std"], rel=1e-4)


def test_company_and_size_of_others_do_not_matter(weights, pictures):
    """Up to the order of additions, 1e-6 of features of about 1."""
    images = [*pictures[0][:3], pictures[1][0][:24], *pictures[0][3:5]]
    config = InceptionConfig(weights=weights, batch_size=2)
    together = columns(images, config)
    for place, image in enumerate(images):
        alone = columns([image], config)
        for found, own in zip(together, alone, strict=True):
            np.testing.assert_allclose(found[place], own[0], atol=1e-5)


def test_the_clean_resizing_is_pillows_bicubic_in_float(weights, pictures):
    from PIL import Image

    from ldm3d.measures.inception import _clean

    image = pictures[0][0]
    found = _clean(image[None], "cpu")[0].permute(1, 2, 0).numpy()
    whole = np.asarray(Image.fromarray(image).resize((299, 299), Image.Resampling.BICUBIC), np.float32)
    assert np.abs(found - whole).max() < 1.5  # which rounds pictures of 8 bits to whole levels, in both directions
    assert (found != found.round()).any()


def test_what_decides_features_is_in_the_fingerprint(weights, tmp_path):
    make_inception_weights(tmp_path / "other.pth", seed=1)
    copy = tmp_path / "elsewhere.pth"
    copy.write_bytes(Path(weights).read_bytes())
    configs = [
        InceptionConfig(weights=weights),
        InceptionConfig(weights=str(copy), batch_size=3),
        InceptionConfig(weights=weights, resize="clean"),
        InceptionConfig(weights=str(tmp_path / "other.pth")),
        InceptionConfig(network="efficientnet-lite0"),
    ]
    prints = [features_of(config, "cpu").fingerprint for config in configs]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


class Payload:
    """Runs on whoever unpickles it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.mark,))


def test_weights_that_are_none_are_refused_and_never_run(tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "hostile.pth").write_bytes(pickle.dumps(Payload(mark)))
    torch.save(Payload(mark), tmp_path / "wrapped.pth")
    torch.save({"layer": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("weights")
    for name in ("hostile", "wrapped", "other", "list", "text", "absent"):
        with pytest.raises(ValueError, match=r"inception\.weights .* does not load"):
            features_of(InceptionConfig(weights=str(tmp_path / f"{name}.pth")), "cpu")
    assert not mark.exists()


def test_the_surrogate_knows_a_cat_from_a_coffee():
    from skimage import data
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    _, scores = columns([data.chelsea(), data.coffee()], InceptionConfig(network="efficientnet-lite0"))
    best = [_IMAGENET_CATEGORIES[place] for place in scores.argmax(1)]
    assert best == ["Egyptian cat", "espresso"]
