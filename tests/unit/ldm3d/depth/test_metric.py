"""Every family of metric depth models gives metres, ZoeDepth's padding and mirroring included; others are refused."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from ldm3d.config import LabelConfig
from ldm3d.depth.metric import MetricDepthEstimator
from ldm3d.depth.model import load_depth_model
from ldm3d.depth.relative import DepthEstimator
from ldm3d.fingerprint import fingerprint_of_network
from tests.builders.small_depth_models import depth_anything, depth_pro, dpt, glpn, metric_depth_anything, zoedepth

pytestmark = pytest.mark.usefixtures("one_thread")
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A saved model of each family: name -> folder."""
    found = {}
    for build in (dpt, depth_anything, metric_depth_anything, glpn, zoedepth, depth_pro):
        found[build.__name__] = str(tmp_path_factory.mktemp(build.__name__))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            build(found[build.__name__])
    return found


def opened(folder: str, *, flip: bool = False) -> MetricDepthEstimator:
    return MetricDepthEstimator.from_pretrained("depth.reference", folder, flip=flip)


@torch.inference_mode()
def raw(estimator: MetricDepthEstimator, images: np.ndarray) -> Any:
    """Return the model's own output, at its own size."""
    pictures = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    pixels = estimator.processor(images=pictures, return_tensors="pt")["pixel_values"]
    return estimator.model(pixel_values=pixels)


def unpadded(depth: torch.Tensor) -> torch.Tensor:
    """Resize ZoeDepth's map to the padded picture, and cut off 3 √(side / 2) pixels on each side."""
    above, left = 13, 15
    return functional.interpolate(depth[:, None], (40 + 2 * above, 56 + 2 * left), mode="bicubic")[
        :, 0, above:-above, left:-left
    ]


@pytest.mark.parametrize("name", ["metric_depth_anything", "glpn"])
def test_metres_are_the_models_own_at_the_size_of_the_picture(folders, name):
    estimator = opened(folders[name])
    found = estimator(IMAGES)
    assert (found.shape, found.dtype) == ((2, 40, 56), torch.float32)
    expected = functional.interpolate(raw(estimator, IMAGES).predicted_depth[:, None], (40, 56), mode="bicubic")[:, 0]
    torch.testing.assert_close(found, expected)
    assert found.std() > 0.1


def test_zoedepths_padding_is_taken_off_and_the_mirror_image_averaged(folders):
    once, twice = opened(folders["zoedepth"]), opened(folders["zoedepth"], flip=True)
    straight = unpadded(raw(once, IMAGES).predicted_depth)
    torch.testing.assert_close(once(IMAGES), straight)
    mirrored = unpadded(raw(once, IMAGES[:, :, ::-1].copy()).predicted_depth).flip(-1)
    assert (straight - mirrored).abs().max() > 1e-4
    torch.testing.assert_close(twice(IMAGES), (straight + mirrored) / 2)


@pytest.mark.parametrize("use_fov_model", [False, True])
def test_depth_pro_says_inverse_depth_at_a_focal_length_of_the_width(tmp_path, use_fov_model):
    """With a predicted field of view, it is multiplied by 2 tan(fov / 2) (arXiv 2410.02073, section 3.1)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        depth_pro(tmp_path, use_fov_model)
    estimator = opened(str(tmp_path))
    found, answer = estimator(IMAGES), raw(estimator, IMAGES)
    inverse = functional.interpolate(answer.predicted_depth[:, None], (40, 56), mode="bilinear")[:, 0]
    if use_fov_model:
        inverse = inverse * (2 * torch.tan(torch.deg2rad(answer.field_of_view) / 2))[:, None, None]
    torch.testing.assert_close(found, 1 / inverse.clamp(1e-4, 1e4))


def test_mirroring_a_picture_mirrors_what_is_averaged(folders):
    for name in ("metric_depth_anything", "glpn", "zoedepth", "depth_pro"):
        estimator = opened(folders[name], flip=True)
        mirrored = estimator(IMAGES[:, :, ::-1].copy()).flip(-1)
        torch.testing.assert_close(estimator(IMAGES), mirrored, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["dpt", "depth_anything"])
def test_relative_depth_is_refused_with_what_to_give(folders, name):
    with pytest.raises(ValueError, match=r"depth\.reference .* relative inverse depth, wanted metres"):
        opened(folders[name])


def test_a_model_whose_configuration_says_metric_is_taken_at_its_word(tmp_path):
    dpt(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"depth_estimation_type": "metric"}))
    assert opened(str(tmp_path))(IMAGES).shape == (2, 40, 56)


def test_what_does_not_load_is_refused_by_the_name_of_its_setting(tmp_path):
    with pytest.raises(ValueError, match=r"depth\.reference '.*' did not load.*save_pretrained"):
        opened(str(tmp_path))


def test_weights_that_are_missing_are_refused_but_those_that_nothing_uses(tmp_path):
    """Intel/dpt-large comes without these: filled at random, they would make another model in each process."""
    dpt(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "layers.0.residual_layer1" not in name}
    assert len(kept) < len(weights)
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    before = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(tmp_path)))(images)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    after = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(tmp_path)))(images)
    np.testing.assert_array_equal(after.depth, before.depth)
    prints = [
        fingerprint_of_network(load_depth_model("depth.peer", str(tmp_path), None, torch.float32)[0]) for _ in range(2)
    ]
    assert prints[0] == prints[1]
    kept.pop("head.head.0.weight")
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"\(1, head\.head\.0\.weight first\)"):
        load_depth_model("depth.peer", str(tmp_path), None, torch.float32)
