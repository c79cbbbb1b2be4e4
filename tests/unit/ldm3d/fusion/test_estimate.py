"""Depth that no map gives is a model's, and what is written of it says so."""

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
    GeneratorConfig,
    ModelConfig,
    SamplingConfig,
    SurfaceConfig,
)
from ldm3d.depth.relative import FARTHEST_M
from ldm3d.fusion.estimate import PanoramaEstimator
from ldm3d.fusion.fuse import fuse
from ldm3d.fusion.reading import read_panorama
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.immersive.panorama_depth import estimate_depth
from ldm3d.immersive.tangent_views import TangentViews
from ldm3d.keys import hidden_seed
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.reject import Rejected
from ldm3d.toy import room
from ldm3d.toy.depth_model import tiny_depth_model
from tests.builders.small_depth_models import dpt_on_dinov2, tiny_metric_depth_model
from tests.unit.ldm3d.immersive.test_view_alignment import given, room_maps

pytestmark = pytest.mark.usefixtures("one_thread")
PICTURE, DISTANCE = room.panorama(64)
ROOM = Unmeasured(PICTURE, "room", about={"source": "room.png"})


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("depth")
    tiny_depth_model(root / "relative")
    tiny_metric_depth_model(root / "metric")
    dpt_on_dinov2(root / "unknown")
    return root


@pytest.fixture(scope="module")
def maps() -> np.ndarray:
    return room_maps(TangentViews())


def opened(model: Path, **depth: object) -> PanoramaEstimator:
    return PanoramaEstimator.from_pretrained(DepthMeaningConfig(model=str(model), **depth))


def sees(estimator: PanoramaEstimator, maps: np.ndarray) -> PanoramaEstimator:
    """Let a network that sees these maps take the model's place."""
    left = iter(maps)
    estimator.estimator.inverse_depth = lambda views: torch.from_numpy(np.stack([next(left) for _ in views]))
    return estimator


def test_an_ideal_network_of_a_free_scale_gives_the_room_where_near_and_far_are_right(models, maps):
    """Its scale and shift differ from view to view; that the rule is `disparity` does not depend on the settings."""
    scale, shift = given(0)
    near, far = float(DISTANCE.min()), float(DISTANCE.max())
    estimator = sees(opened(models / "relative", near=near, far=far), scale * maps + shift)
    found = estimator(ROOM)
    assert np.mean(np.abs(found.distance / DISTANCE - 1)) < 0.01  # 0.1 % on the sphere, and what is off at the ends
    assert (found.depth.min(), found.depth.max()) == (0, 65_535)
    said = found.meaning()
    assert (said["given_as"], said["rule"]) == ("estimated", "disparity")
    assert found.about["estimated"]["meaning"].startswith("1 / distance along the ray, of a free scale")
    assert (found.title, found.about["source"]) == ("room", "room.png")


def test_metres_of_a_metric_model_stay_metres_whatever_is_said_of_maps(models):
    estimator = opened(models / "metric", kind="distance", scale=0.001, far=9.0)
    inverse = estimate_depth(PICTURE, estimator.estimator.inverse_depth, metric=True)
    found = estimator(ROOM)
    np.testing.assert_allclose(found.distance, np.minimum(1 / inverse, 9), rtol=1e-6)
    assert found.about["estimated"]["meaning"] == "1 / metre along the ray"
    assert found.whole_provenance.source == "compositeWithTrainedAlgorithmicMedia"
    assert found.provenance.source is None


def test_what_a_metric_model_sees_infinitely_far_is_as_far_as_in_labels(models, maps):
    maps = maps.copy()
    maps[0] = 0  # towards a pole, where other views see something only beside it
    assert sees(opened(models / "metric"), maps)(ROOM).far == pytest.approx(FARTHEST_M)


@pytest.mark.parametrize(
    ("model", "depth", "told"),
    [
        ("relative", {"far": 9.0}, "--depth.near is None and --depth.far 9.0, wanted both or neither"),
        ("unknown", {}, "does not say what it predicts: pass --depth.predicts"),
        ("none", {}, r"--depth\.model '.*none' did not load"),
    ],
)
def test_a_model_of_which_too_little_is_known_is_refused(models, model, depth, told):
    with pytest.raises(ValueError, match=told):
        opened(models / model, **depth)


def test_a_panorama_in_which_nothing_is_seen_is_rejected(models):
    with pytest.raises(Rejected, match="same depth everywhere"):
        sees(opened(models / "relative"), np.ones((12, 384, 384)))(ROOM)


def test_the_fingerprint_changes_with_the_model_and_what_it_predicts_and_not_with_its_place(models, tmp_path):
    tiny_depth_model(tmp_path / "again")
    one, same, other, metres = (
        opened(models / "relative"),
        opened(tmp_path / "again"),
        opened(models / "metric"),
        opened(models / "relative", predicts="depth"),
    )
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, other.fingerprint, metres.fingerprint}) == 3


def test_a_model_is_asked_only_where_there_is_no_map(models, tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "room.png")
    depth = DepthMeaningConfig(model=str(models / "relative"), kind="distance")
    config = DepthFusionConfig(input=str(tmp_path / "room.png"), output="out", depth=depth)
    assert isinstance(read_panorama(config), Unmeasured)
    (tmp_path / "maps").mkdir()
    assert isinstance(read_panorama(replace(config, depth=replace(depth, source=str(tmp_path / "maps")))), Unmeasured)
    with pytest.raises(ValueError, match=r"typo\.npy' is neither a file nor a folder"):
        read_panorama(replace(config, depth=replace(depth, source=str(tmp_path / "typo.npy"))))
    np.save(tmp_path / "room-depth.npy", DISTANCE)
    np.testing.assert_array_equal(read_panorama(config).distance, DISTANCE)


def test_depth_is_estimated_before_a_model_redraws_it_and_what_it_hides(models, toy_base, tmp_path):
    save_pipeline(tmp_path / "model", load_base(ModelConfig(base=str(toy_base))))
    Image.fromarray(PICTURE).save(tmp_path / "room.png")
    config = DepthFusionConfig(
        input=str(tmp_path / "room.png"),
        output=str(tmp_path / "out"),
        prompt="a room at night",
        seed=3,
        depth=DepthMeaningConfig(model=str(models / "relative"), near=1.0, far=5.0),
        surface=SurfaceConfig(background="inpaint"),
        exports=ExportsConfig(formats=("npy",)),
        model=GeneratorConfig(model=(str(tmp_path / "model"),)),
        sampling=SamplingConfig(num_inference_steps=(2,), batch_size=1),
    )
    assert fuse(config, dry_run=True)["depth"]["estimated"]["fingerprint"] == opened(models / "relative").fingerprint
    assert not (tmp_path / "out").exists()
    said = fuse(config)["depth"]
    assert (said["given_as"], said["rule"], said["near_m"], said["far_m"]) == ("estimated", "disparity", 1.0, 5.0)
    assert said["estimated"].keys() >= {"model", "fingerprint", "licence", "meaning"}
    assert (said["redrawn"]["seed"], said["inpainted"]["seed"]) == (3, hidden_seed(3))
    assert said["inpainted"]["prompt"] == "a room at night"
