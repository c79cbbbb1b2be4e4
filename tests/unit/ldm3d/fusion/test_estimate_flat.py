"""Depth of a flat picture that has no map is what a depth model gives of it: the labeller's own values."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldm3d.config import (
    DepthFusionConfig,
    DepthMeaningConfig,
    ExportsConfig,
    LabelConfig,
    PictureConfig,
)
from ldm3d.depth.relative import FARTHEST_M, DepthEstimator
from ldm3d.fusion.estimate import PanoramaEstimator
from ldm3d.fusion.fuse import fuse
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.projection import Perspective
from ldm3d.toy import room
from tests.builders import small_depth_models

pytestmark = pytest.mark.usefixtures("one_thread")
FOV, WIDTH, HEIGHT = 60.0, 97, 64
CAMERA = PerspectiveCamera(WIDTH, HEIGHT, FOV)
PICTURE, DISTANCE = room.look(np.zeros(3), CAMERA.rays())
Z = DISTANCE / np.linalg.norm(CAMERA.rays(), axis=-1)
FLAT = Unmeasured(PICTURE, "room", about={"source": "room.png"}, projection=Perspective(FOV), caption="a room")
RELATIVE = ("dpt", "depth_anything", "depth_pro", "dpt_on_dinov2")
METRIC = ("glpn", "zoedepth", "metric_depth_anything", "tipsv2_dpt", "tiny_metric_depth_model")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("depth")
    for name in (*RELATIVE, *METRIC):
        torch.manual_seed(0)
        getattr(small_depth_models, name)(root / name)
    return root


def said(name: str) -> dict[str, str]:
    """What the one family that does not say it predicts."""
    return {"predicts": "inverse_depth"} if name == "dpt_on_dinov2" else {}


def opened(models: Path, name: str, **depth: object) -> PanoramaEstimator:
    return PanoramaEstimator.from_pretrained(DepthMeaningConfig(model=str(models / name), **said(name), **depth))


def labeller(models: Path, name: str) -> DepthEstimator:
    return DepthEstimator.from_pretrained(LabelConfig(depth_model=str(models / name), dtype="float32", **said(name)))


def sees(estimator: PanoramaEstimator, inverse: np.ndarray) -> PanoramaEstimator:
    """Let a network that sees this map take the model's place."""
    estimator.estimator.inverse_depth = lambda views: torch.from_numpy(inverse)[None]
    return estimator


@pytest.mark.parametrize("name", RELATIVE)
def test_relative_depth_is_the_label_of_the_picture_between_near_and_far(models, name):
    found = opened(models, name, near=1.0, far=9.0, kind="z", rule="paper")(FLAT)
    depth = labeller(models, name)(PICTURE[None]).depth[0]
    np.testing.assert_allclose(found.depth.astype(int), depth, atol=1)  # a level of 65,535, of rounding
    inverse = 1 / 9 + depth / 65_535 * (1 - 1 / 9)
    np.testing.assert_allclose(found.distance, 1 / inverse, rtol=2e-4)
    assert (found.near, found.far) == (pytest.approx(1), pytest.approx(9))
    about = found.meaning()
    assert (about["given_as"], about["rule"], about["projection"]) == ("estimated", "disparity", "flat")
    assert found.about["estimated"]["meaning"].startswith("1 / distance along the axis (z), of a free scale")
    assert (found.title, found.caption, found.about["source"]) == ("room", "a room", "room.png")


@pytest.mark.parametrize("name", METRIC)
def test_metres_of_a_metric_model_are_its_own_whatever_is_said_of_maps(models, name):
    estimator = opened(models, name, kind="distance", scale=0.001)
    metres = 1 / labeller(models, name).inverse_depth(PICTURE[None])[0].numpy()
    found = estimator(FLAT)
    np.testing.assert_allclose(found.distance, np.where(metres > 0, np.minimum(metres, FARTHEST_M), FARTHEST_M), 1e-6)
    assert found.about["estimated"]["meaning"] == "1 / metre along the axis (z)"
    nearer = opened(models, name, far=float(np.median(metres)))(FLAT)
    np.testing.assert_allclose(nearer.distance, np.minimum(found.distance, np.median(metres)), rtol=1e-6)


def test_an_ideal_network_gives_the_room(models):
    """Networks see z, along the axis, which is what the distances of a flat picture are."""
    found = sees(opened(models, "glpn"), (1 / Z).astype(np.float32))(FLAT)
    np.testing.assert_allclose(found.distance, Z, rtol=1e-6)
    near, far = float(Z.min()), float(Z.max())
    free = sees(opened(models, "dpt", near=near, far=far), (7 / Z - 3).astype(np.float32))(FLAT)
    np.testing.assert_allclose(free.distance, Z, rtol=1e-3)


@pytest.mark.parametrize("name", ["dpt", "glpn", "zoedepth", "depth_anything", "depth_pro", "dpt_on_dinov2"])
@pytest.mark.parametrize("size", [(32, 32), (32, 512), (512, 32), (33, 70)])
def test_every_size_that_is_not_rejected_can_be_seen(models, name, size):
    picture = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    assert opened(models, name)(replace(FLAT, picture=picture)).distance.shape == size


def config(folder: Path, model: Path, **changes: object) -> DepthFusionConfig:
    return DepthFusionConfig(
        input=str(folder / "room.png"),
        output=str(folder / "out"),
        picture=PictureConfig(fov=FOV),
        depth=DepthMeaningConfig(model=str(model), far=50.0),
        exports=ExportsConfig(formats=("npy",)),
        **changes,
    )


def test_one_picture_without_a_map_becomes_a_place(models, tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "room.png")
    one = config(tmp_path, models / "glpn")
    told = fuse(one, dry_run=True)["depth"]["estimated"]
    assert told["meaning"] == "1 / metre along the axis (z)"
    assert not (tmp_path / "out").exists()
    fuse(one)
    metres = 1 / labeller(models, "glpn").inverse_depth(PICTURE[None])[0].numpy()
    np.testing.assert_allclose(np.load(tmp_path / "out/distance.npy"), np.minimum(metres, 50), rtol=1e-6)
    facts = json.loads((tmp_path / "out/place.json").read_text())["depth"]
    assert (facts["projection"], facts["fov_degrees"], facts["estimated"]) == ("flat", FOV, told)


def test_a_panorama_that_is_said_to_be_flat_is_seen_as_one(models, tmp_path):
    picture, _ = room.panorama(64)
    Image.fromarray(picture).save(tmp_path / "room.png")
    fuse(replace(config(tmp_path, models / "glpn"), picture=PictureConfig(projection="flat")))
    metres = 1 / labeller(models, "glpn").inverse_depth(picture[None])[0].numpy()
    np.testing.assert_allclose(np.load(tmp_path / "out/distance.npy"), np.minimum(metres, 50), rtol=1e-6)


def test_what_cannot_be_seen_is_told_before_a_model_is_opened(tmp_path):
    Image.fromarray(PICTURE[:20]).save(tmp_path / "room.png")
    with pytest.raises(ValueError, match=r"97 x 20, wanted 32 pixels or more .*: give its map by --depth\.source"):
        fuse(config(tmp_path, tmp_path / "none"), dry_run=True)
    exports = ExportsConfig(formats=("film-360",))
    Image.fromarray(PICTURE).save(tmp_path / "room.png")
    with pytest.raises(ValueError, match="a flat picture does not show what is around"):
        fuse(replace(config(tmp_path, tmp_path / "none"), exports=exports), dry_run=True)


def test_what_is_estimated_of_any_picture_is_said_before_there_is_one(models):
    estimator = opened(models, "glpn")
    assert estimator.about["meaning"] == "1 / metre along the ray of a panorama, along the axis of a flat picture"
    made = estimator(FLAT)
    assert isinstance(made, Panorama)
    assert made.whole_provenance.source == "compositeWithTrainedAlgorithmicMedia"
