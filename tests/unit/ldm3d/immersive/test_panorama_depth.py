"""The depth of a panorama is that of its views: an exact room is recovered from maps of unknown scales and shifts."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from ldm3d.config import LabelConfig
from ldm3d.depth.relative import DepthEstimator
from ldm3d.immersive.panorama_depth import estimate_depth, merge
from ldm3d.immersive.sphere import directions
from ldm3d.immersive.tangent_views import TangentViews
from ldm3d.metrics.seam import seam_ratio
from ldm3d.reject import Rejected
from ldm3d.toy import room
from ldm3d.toy.depth_model import tiny_depth_model
from tests.builders.small_depth_models import tiny_metric_depth_model
from tests.unit.ldm3d.immersive.test_view_alignment import given, room_maps

pytestmark = pytest.mark.usefixtures("one_thread")
HEIGHT = 128
VIEWS = TangentViews(size=192)
AREA = np.cos((0.5 - (np.arange(HEIGHT) + 0.5) / HEIGHT) * np.pi)[:, None] * np.ones((1, 2 * HEIGHT))


@pytest.fixture(scope="module")
def maps() -> np.ndarray:
    return room_maps(VIEWS)


@pytest.fixture(scope="module")
def distance() -> np.ndarray:
    return room.panorama(HEIGHT)[1]


def abs_rel(found: np.ndarray, distance: np.ndarray, *, shift: bool) -> float:
    """AbsRel over the sphere, after the best scale, and shift, of inverse distance."""
    columns = np.stack([found.ravel(), np.ones(found.size)][: 1 + shift], axis=1) * np.sqrt(AREA).reshape(-1, 1)
    fit = np.linalg.lstsq(columns, np.sqrt(AREA).ravel() / distance.ravel())[0]
    inverse = fit[0] * found.astype(np.float64) + (fit[1] if shift else 0)
    return float(np.average(np.abs(1 / np.maximum(inverse, 0.1) - distance) / distance, weights=AREA))


def faulty(maps: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """Add a smooth field to each map, of a standard deviation of `amount` of its range, as networks err."""
    rng, size = np.random.default_rng(seed), maps.shape[1:]
    fields = [cv2.resize(rng.normal(0, 1, (4, 4)), size, interpolation=cv2.INTER_CUBIC) for _ in maps]
    return maps + amount * np.ptp(maps, axis=(1, 2))[:, None, None] * np.stack(fields)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_ideal_network_of_unknown_scale_and_shift_in_each_view_gives_the_room(maps, distance, seed):
    scale, shift = given(seed)
    found = merge(scale * maps + shift, VIEWS, HEIGHT)
    assert (found.shape, found.dtype) == ((HEIGHT, 2 * HEIGHT), np.float32)
    assert abs_rel(found, distance, shift=True) < 0.003  # 0.001, of interpolation at edges
    assert abs_rel(found, distance, shift=False) < 0.003  # the views' geometry tells the shift, too
    assert abs_rel(found[:, ::-1], distance, shift=True) > 0.1
    assert abs_rel(found[::-1], distance, shift=True) > 0.05


def test_an_ideal_metric_network_gives_metres(maps, distance):
    found = merge(maps, VIEWS, HEIGHT, metric=True)
    assert np.average(np.abs(1 / found - distance) / distance, weights=AREA) < 0.003


def test_faults_of_a_network_are_not_made_worse(maps, distance):
    """Compared with the blend of views whose scales and shifts are known."""
    for seed in range(2):
        scale, shift = given(seed)
        wrong = faulty(maps, 0.03, seed)
        best = abs_rel(merge(wrong, VIEWS, HEIGHT, metric=True), distance, shift=True)
        assert abs_rel(merge(scale * wrong + shift, VIEWS, HEIGHT), distance, shift=True) < 1.5 * best


def test_there_is_no_seam_and_the_poles_are_points(maps):
    scale, shift = given(2)
    for wrong in (maps, faulty(maps, 0.05, 2)):
        found = merge(scale * wrong + shift, VIEWS, HEIGHT)
        assert seam_ratio(found) < 1.1
        for row in (found[0], found[-1]):  # within half a pixel of the pole
            assert np.ptp(row) / row.mean() < 0.02


def test_a_turned_panorama_has_turned_depth():
    """So that no column is a special one. By a quarter, views of a cube's sides are those of others."""
    views = TangentViews(6, 100, 96)
    maps = faulty(room_maps(views), 0.03, 0)
    turned = np.stack([np.rot90(maps[0]), np.rot90(maps[1], -1), *np.roll(maps[2:], 1, axis=0)])
    found, expected = merge(turned, views, 64), np.roll(merge(maps, views, 64), 32, axis=1)
    np.testing.assert_allclose(found, expected, rtol=0.02)  # the directions that are compared are others


def seen_as(answer: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda pictures: torch.from_numpy(answer(pictures))


def test_what_was_cut_out_comes_back_to_its_place():
    """A picture whose colours are 1 / distance, and a network that reads them and knows its own geometry."""
    inverse = 0.5 + 0.25 * directions(64, 128) @ np.array([0.6, 0.64, 0.48])
    picture = np.repeat((inverse * 255).round().astype(np.uint8)[..., None], 3, axis=-1)
    views = TangentViews(size=96)
    length = np.linalg.norm(views.cameras[0].rays(), axis=-1)
    found = estimate_depth(picture, seen_as(lambda cut: cut[..., 0] / 255 * length), metric=True, views=views)
    np.testing.assert_allclose(found, inverse, atol=1.5 / 255)


def test_batches_and_repetitions_change_nothing():
    picture, _ = room.panorama(64)
    network = seen_as(lambda cut: cut[..., 0] / 255 + cut[..., 1] / 500)
    views = TangentViews(size=48)
    one, again, other = (estimate_depth(picture, network, views=views, batch_size=size) for size in (4, 4, 5))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", [tiny_depth_model, tiny_metric_depth_model])
def test_the_labellers_networks_fit(make, tmp_path):
    make(tmp_path)
    estimator = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(tmp_path)))
    picture, _ = room.panorama(32)
    found = estimate_depth(picture, estimator.inverse_depth, metric=estimator.inverts, views=TangentViews(size=32))
    assert found.shape == (32, 64)
    assert np.isfinite(found).all()
    assert found.min() >= 0 < np.ptp(found)
    if estimator.inverts:
        cut = estimator.inverse_depth(TangentViews(size=32).cut(picture)).numpy()
        assert found.mean() == pytest.approx(cut.mean(), rel=0.2)


def test_a_network_that_fails_on_a_view_rejects_the_panorama():
    picture, _ = room.panorama(32)
    with pytest.raises(Rejected, match="not all finite"):
        estimate_depth(picture, seen_as(lambda cut: np.full(cut.shape[:3], np.nan)), views=TangentViews(size=16))


@given_by(st.integers(0, 2**32 - 1), st.sampled_from([1e-30, 1.0, 1e30]), st.sampled_from([0, 1, 11, 12]))
@settings(max_examples=25)
def test_whatever_a_network_says_is_depth_or_a_reject(seed, scale, flat):
    """Noise, of any scale, with sparse peaks, in a few views or in all."""
    rng = np.random.default_rng(seed)
    maps = scale * rng.standard_cauchy((12, 16, 16))
    maps[:flat] = maps[0, 0, 0]
    try:
        found = merge(maps, TangentViews(size=16), 16)
    except Rejected:
        assert flat == 12
        return
    assert np.isfinite(found).all()
    assert found.min() >= 0
