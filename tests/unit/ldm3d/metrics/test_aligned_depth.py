"""Aligned depth errors agree with closed forms, and rank predictors of a real scene with measured depth."""

import cv2
import numpy as np
import pytest
from skimage.data import stereo_motorcycle

from ldm3d.metrics.aligned_depth import score_aligned


@pytest.fixture(scope="module")
def motorcycle() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Middlebury's scene (Scharstein et al. 2014): both views, disparity in pixels with holes, depth in metres."""
    left, right, disparity = stereo_motorcycle()
    focal_px, baseline_m, offset_px = 994.978, 0.193001, 31.086
    return left, right, disparity, (focal_px * baseline_m / (disparity + offset_px)).astype(np.float32)


@pytest.fixture(scope="module")
def depth_m() -> np.ndarray:
    """A tilted floor, 1 to 8 m."""
    return np.linspace(1, 8, 64 * 48).reshape(64, 48)


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (65_535 * 0.9, 40), (2.5, 7)])
def test_disparity_of_any_scale_and_shift_is_perfect_once_aligned(depth_m, scale, shift):
    found = score_aligned(scale / depth_m + shift, depth_m, seed=0)
    assert found.capped == pytest.approx((0, 0, 1, 0), abs=1e-9)
    assert found.literal == pytest.approx(found.capped, abs=1e-12)
    assert (found.scale * scale, found.shift + found.scale * shift) == pytest.approx((1, 0), abs=1e-9)
    assert (found.valid, found.beyond, found.far) == (depth_m.size, 0, 0)


def test_scale_and_shift_are_those_of_the_normal_equations(depth_m):
    """The closed form of MiDaS's and VI-Depth's code, on all points."""
    p = 1 / depth_m + np.random.default_rng(0).normal(0, 0.05, depth_m.shape).clip(-0.1, 0.1)
    t = 1 / depth_m
    determinant = (p**2).sum() * p.size - p.sum() ** 2
    scale = (p.size * (p * t).sum() - p.sum() * t.sum()) / determinant
    shift = ((p**2).sum() * t.sum() - p.sum() * (p * t).sum()) / determinant
    found = score_aligned(p, depth_m, seed=0, points=p.size)
    assert (found.scale, found.shift) == pytest.approx((scale, shift), rel=1e-9)
    z = 1 / (scale * p + shift)
    assert found.literal.abs_rel == pytest.approx(np.mean(np.abs(z - depth_m) / depth_m), rel=1e-9)
    assert found.literal.rmse_m == pytest.approx(np.sqrt(np.mean((z - depth_m) ** 2)), rel=1e-9)


def test_what_alignment_puts_behind_the_camera_is_capped_or_left_out_and_counted(depth_m):
    p = 1 / depth_m + 1  # which alignment removes
    p[0, :3] = 0
    found = score_aligned(p, depth_m, seed=0, points=p.size)
    assert found.beyond == 3
    assert found.far >= 3
    assert found.capped.rmse_m > found.literal.rmse_m > 0
    assert np.isfinite([*found.capped, *found.literal]).all()


def test_invalid_pixels_of_either_map_are_left_out(depth_m):
    p, z = 1 / depth_m, depth_m.copy()
    p[0, 0], p[0, 1], p[0, 2] = np.nan, np.inf, -1
    z[1, 0], z[1, 1], z[1, 2], z[1, 3] = np.nan, np.inf, 0, -2
    found = score_aligned(p, z, seed=0)
    assert found.valid == depth_m.size - 7
    assert found.capped.abs_rel == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("disparity", [np.zeros((64, 48)), np.full((64, 48), np.nan), np.full((64, 48), 7)])
def test_what_cannot_be_aligned_is_no_number_but_counted(depth_m, disparity):
    found = score_aligned(disparity, depth_m, seed=0)
    assert np.isnan([*found.capped, *found.literal, found.scale, found.shift]).all()
    assert found.valid == np.isfinite(disparity).sum()


def test_points_come_from_the_seed(depth_m):
    p = 1 / depth_m + np.random.default_rng(0).normal(0, 0.01, depth_m.shape)
    first, again, other = (score_aligned(p.clip(0), depth_m, seed=seed, points=50) for seed in (1, 1, 2))
    assert first == again
    assert first.scale != other.scale


def test_measured_disparity_is_perfect_and_stereo_matching_nearly_so(motorcycle):
    left, right, disparity, depth_m = motorcycle
    exact = score_aligned(disparity, depth_m, seed=0)
    assert exact.valid == np.isfinite(disparity).sum() < disparity.size
    assert exact.capped == pytest.approx((0, 0, 1, 0), abs=1e-4)  # metres are float32
    grey = [cv2.cvtColor(view, cv2.COLOR_RGB2GRAY) for view in (left, right)]
    matched = cv2.StereoSGBM_create(0, 64, 5).compute(*grey).astype(np.float32) / 16  # below 0 where nothing matched
    stereo = score_aligned(matched, depth_m, seed=0)
    assert exact.valid > stereo.valid > 0.7 * disparity.size
    assert 0.005 < stereo.capped.abs_rel < 0.04
    assert stereo.capped.delta1 > 0.95
    blurred = score_aligned(cv2.GaussianBlur(matched, (0, 0), 20).clip(0), depth_m, seed=0)
    shuffled = score_aligned(np.random.default_rng(0).permuted(matched, axis=1), depth_m, seed=0)
    assert stereo.capped.abs_rel < blurred.capped.abs_rel < shuffled.capped.abs_rel


def test_maps_of_two_sizes_are_refused(depth_m):
    with pytest.raises(ValueError, match=r"disparity \(64, 24\), depth \(64, 48\): resize"):
        score_aligned(depth_m[:, ::2], depth_m, seed=0)
