"""Scales and shifts are found that make views agree: those that maps of an exact room were given, and no others."""

import numpy as np
import pytest

from ldm3d.immersive.panorama_depth import evenly
from ldm3d.immersive.tangent_views import TangentViews
from ldm3d.immersive.view_alignment import Alignment, Seen, align
from ldm3d.reject import Rejected
from ldm3d.toy import room

VIEWS = TangentViews(size=128)
COUNT = VIEWS.count


def room_maps(views: TangentViews = VIEWS) -> np.ndarray:
    """1 / z of the exact room in each view, (N, S, S)."""
    found = []
    for camera in views.cameras:
        rays = camera.rays()  # of length 1 along the axis
        found.append(np.linalg.norm(rays, axis=-1) / room.look(np.zeros(3), rays)[1])
    return np.stack(found)


def given(seed: int, *, shifts: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.3, 3, (COUNT, 1, 1)), rng.uniform(-2, 2, (COUNT, 1, 1)) * shifts


@pytest.mark.parametrize("seed", range(3))
def test_random_scales_and_shifts_of_views_are_undone(seed):
    scale, shift = given(seed)
    found = align(VIEWS.look_up(scale * room_maps() + shift, evenly(4_096)))
    ratio, off = found.scales * scale.ravel(), found.shifts + found.scales * shift.ravel()
    ratio, off = ratio[2:], off[2:] / ratio[2:].mean()  # floor and ceiling are flat: they have a mean and no scale
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=2e-3)  # of interpolation at edges
    np.testing.assert_allclose(off, 0, atol=2e-3)  # in 1 / m, of 0.2 to 1


def test_metric_maps_have_no_shift_and_their_scales_a_mean_of_1():
    scale, _ = given(0)
    found = align(VIEWS.look_up(scale * room_maps(), evenly(4_096)), metric=True)
    assert not found.shifts.any()
    assert found.scales.mean() == pytest.approx(1)
    ratio = found.scales * scale.ravel()
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=1e-3)


def test_an_alignment_does_not_depend_on_the_unit_of_maps():
    seen = VIEWS.look_up(room_maps(), evenly(2_048))
    one, other = align(seen), align(seen._replace(values=seen.values * 1_000))
    np.testing.assert_allclose(other.scales * 1_000, one.scales, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(other.shifts, one.shifts, rtol=1e-3, atol=1e-5)


def test_what_does_not_fit_has_little_say():
    """A quarter of one view is of another world."""
    maps = room_maps()
    maps[4, :64, :64] = 3
    found = align(VIEWS.look_up(maps, evenly(4_096)))
    others = np.delete(found.scales[2:], 2)
    assert np.ptp(others) / others.mean() < 0.1


def test_nothing_is_behind_the_eye_whatever_the_network_says():
    maps = np.random.default_rng(0).normal(size=(COUNT, 128, 128))
    seen = VIEWS.look_up(maps, evenly(2_048))
    found = align(seen)
    assert (found.scales >= 0).all()
    assert found.blend(seen).min() >= 0
    assert found.blend(seen).mean() == pytest.approx(1, rel=1e-5)


def test_a_blend_is_the_weighted_mean_along_the_ray():
    seen = Seen(*np.float32([[[2.0], [4.0]], [[1.0], [0.5]], [[0.75], [0.25]]]))
    blend = Alignment(np.array([1.0, 2.0]), np.array([0.0, 2.0])).blend(seen)
    np.testing.assert_allclose(blend, [2.0 * 1 * 0.75 + 10.0 * 0.5 * 0.25])


def test_maps_that_say_nothing_are_rejected():
    with pytest.raises(Rejected, match="same depth"):
        align(VIEWS.look_up(np.ones((COUNT, 128, 128)), evenly(512)))
