"""Features give torch-fidelity's FID, KID and Inception Score, however pictures are batched."""

import hashlib
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity
from torch_fidelity import feature_extractor_inceptionv3, metric_fid
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from ldm3d.config import InceptionConfig
from ldm3d.images import encode_rgb
from ldm3d.measures import Batch, Network, inception_resize
from ldm3d.measures.opened import features_of
from ldm3d.metrics.gaussian import GaussianSums, frechet_distance
from ldm3d.metrics.inception_score import InceptionScoreSums, split_of
from ldm3d.metrics.kernel_distance import kernel_distance
from ldm3d.toy.inception_weights import make_inception_weights
from ldm3d.toy.scenes import Scene, render

pytestmark = pytest.mark.usefixtures("one_thread")

COUNT, SUBSET = 8, 5


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    make_inception_weights(path)
    return str(path)


@pytest.fixture(scope="module")
def pictures() -> tuple[list[np.ndarray], list[np.ndarray]]:
    scenes = [render(Scene.from_seed(seed), 40).image for seed in range(2 * COUNT)]
    return scenes[:COUNT], [255 - scene for scene in scenes[COUNT:]]


@pytest.fixture(scope="module")
def inception(weights: str) -> Network:
    return features_of(InceptionConfig(weights=weights, batch_size=2), "cpu")


def columns(images: list[np.ndarray], network: Network) -> tuple[np.ndarray, np.ndarray]:
    table = network(Batch(np.arange(len(images)), np.zeros(len(images), np.int32), images))
    return tuple(np.array(table[name].to_pylist(), np.float32) for name in ("pool", "logits"))


@pytest.fixture(scope="module")
def rows(inception, pictures) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features and class scores of both sets."""
    return [columns(images, inception) for images in pictures]


def of_torch_fidelity(weights: str, pictures: tuple[list[np.ndarray], ...], folder: Path, **metrics: bool) -> dict:
    for name, images in zip(("one", "other"), pictures, strict=True):
        (folder / name).mkdir()
        for place, image in enumerate(images):
            (folder / name / f"{place:02d}.png").write_bytes(encode_rgb(image))
    return torch_fidelity.calculate_metrics(
        input1=str(folder / "one"),
        input2=str(folder / "other"),
        isc_splits=2,
        kid_subsets=5,
        kid_subset_size=SUBSET,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        feature_extractor_weights_path=weights,
        **metrics,
    )


def test_kernel_distances_and_scores_are_those_of_torch_fidelity(weights, rows, pictures, tmp_path):
    """Features differ in the last bits of float32, and distances are differences between them."""
    theirs = of_torch_fidelity(weights, pictures, tmp_path, kid=True, isc=True)
    (one, logits), (other, _) = rows
    mean, std = kernel_distance(one, other, subsets=5, subset_size=SUBSET)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert std == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-3)
    score, spread = InceptionScoreSums.of(logits, split_of(COUNT, 2), 2).score()
    assert score == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert spread == pytest.approx(theirs["inception_score_std"], rel=1e-4)


def test_the_frechet_distance_is_that_of_torch_fidelity(weights, rows, pictures):
    """On every eighth feature: all of them take torch-fidelity half a minute and are left to the slow tests."""
    extractor = FeatureExtractorInceptionV3("oracle", ["2048"], feature_extractor_weights_path=weights)
    found, theirs = [], []
    for images, (own, _) in zip(pictures, rows, strict=True):
        (features,) = extractor(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
        np.testing.assert_allclose(own, features, atol=1e-5)
        theirs.append(metric_fid.fid_features_to_statistics(features[:, ::8]))
        found.append(GaussianSums.of(own[:, ::8]))
    expected = metric_fid.fid_statistics_to_metric(*theirs, verbose=False)[metric_fid.KEY_METRIC_FID]
    assert expected > 1
    assert frechet_distance(*found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_fid_is_that_of_torch_fidelity(weights, rows, pictures, tmp_path):
    theirs = of_torch_fidelity(weights, pictures, tmp_path, fid=True)
    found = frechet_distance(*(GaussianSums.of(own) for own, _ in rows))
    assert found == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)


def test_the_rest_of_a_batch_does_not_matter(inception, pictures):
    """Up to the order of additions, 1e-6 of features of about 1."""
    images = [*pictures[0][:2], pictures[1][0][:24], pictures[0][3]]
    together = columns(images, inception)
    for place, image in enumerate(images):
        for found, own in zip(together, columns([image], inception), strict=True):
            np.testing.assert_allclose(found[place], own[0], atol=1e-5)


def tf32() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture
def fast_and_loose() -> Iterator[None]:
    before = tf32()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.usefixtures("fast_and_loose")
@pytest.mark.parametrize("name", ["inception", "efficientnet-lite0"])
def test_no_precision_is_given_up_on_gpus_and_nothing_stays_changed(name, weights):
    features, seen = features_of(InceptionConfig(network=name, weights=weights), "cpu"), []
    classifier = features.classifier
    layers = getattr(classifier, "trunk", None) or classifier.network
    next(layers.children()).register_forward_hook(lambda *_: seen.append(tf32()))
    columns([np.zeros((2, 2, 3), np.uint8)], features)
    assert (seen, tf32()) == ([(False, False)], (True, True))


@pytest.mark.parametrize("size", [(512, 512), (299, 299), (300, 299), (40, 71), (1, 1)])
def test_the_resizing_of_tensorflow_is_torch_fidelitys_to_the_bit(size):
    pictures = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    expected = interpolate_bilinear_2d_like_tensorflow1x(planes, size=(299, 299), align_corners=False)
    assert torch.equal(inception_resize.tf1(pictures, "cpu"), expected)


def test_the_clean_resizing_is_pillows_bicubic_in_float(weights, pictures):
    from PIL import Image

    image = pictures[0][0]
    found = inception_resize.clean(image[None], "cpu")[0].permute(1, 2, 0).numpy()
    whole = np.asarray(Image.fromarray(image).resize((299, 299), Image.Resampling.BICUBIC), np.float32)
    assert np.abs(found - whole).max() < 1.5  # 8-bit resizing rounds to whole levels, twice
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
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.mark,))


def test_files_that_are_not_weights_are_refused_and_never_run(tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "hostile.pth").write_bytes(pickle.dumps(Payload(mark)))
    torch.save(Payload(mark), tmp_path / "wrapped.pth")
    torch.save({"layer": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save({1: torch.zeros(3)}, tmp_path / "numbered.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("weights")
    (tmp_path / "full_stop.pth").write_text(".")  # a pickle that ends at once
    for name in ("hostile", "wrapped", "other", "numbered", "list", "text", "full_stop", "absent"):
        with pytest.raises(ValueError, match=rf"inception\.weights .*{name}\.pth"):
            features_of(InceptionConfig(weights=str(tmp_path / f"{name}.pth")), "cpu")
    assert not mark.exists()


def test_weights_that_are_not_numbers_are_refused(weights, tmp_path):
    state = torch.load(weights, weights_only=True)
    state["fc.weight"][0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(ValueError, match=r"inception\.weights .*nan\.pth.*finite"):
        features_of(InceptionConfig(weights=str(tmp_path / "nan.pth")), "cpu")


@pytest.fixture
def published(weights, tmp_path, monkeypatch) -> Iterator[tuple[Path, list[str]]]:
    """The file where torch caches weights, and the requests to a server on loopback that stands in for their site."""
    content, asked = Path(weights).read_bytes(), []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    name = f"weights-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        feature_extractor_inceptionv3, "URL_INCEPTION_V3", f"http://127.0.0.1:{server.server_port}/{name}"
    )
    yield tmp_path / "hub" / "checkpoints" / name, asked
    server.shutdown()
    server.server_close()


def test_published_weights_are_fetched_once(published, inception):
    for _ in range(2):
        assert features_of(InceptionConfig(), "cpu").fingerprint == inception.fingerprint
    assert len(published[1]) == 1


def test_published_weights_are_compared_with_their_hash(published, monkeypatch):
    path, asked = published
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut short")
    with pytest.raises(ValueError, match=r"has SHA-256 .*, wanted"):
        features_of(InceptionConfig(), "cpu")
    assert not asked
    path.unlink()
    url = feature_extractor_inceptionv3.URL_INCEPTION_V3
    monkeypatch.setattr(feature_extractor_inceptionv3, "URL_INCEPTION_V3", f"{url[:-12]}00000000.pth")
    with pytest.raises(ValueError, match=r"http.*00000000.*--inception\.weights"):
        features_of(InceptionConfig(), "cpu")
    assert not list(path.parent.iterdir())


def test_the_surrogate_knows_a_cat_from_a_coffee():
    from skimage import data
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    _, scores = columns(
        [data.chelsea(), data.coffee()], features_of(InceptionConfig(network="efficientnet-lite0"), "cpu")
    )
    best = [_IMAGENET_CATEGORIES[place] for place in scores.argmax(1)]
    assert best == ["Egyptian cat", "espresso"]
