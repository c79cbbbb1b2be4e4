"""Errors of panoramas are those of closed forms, by area; their edges go around."""

import numpy as np
import pytest

from ldm3d.metrics.aligned_depth import score_aligned
from ldm3d.metrics.depth_edges import edge_f1
from ldm3d.metrics.panorama_depth import row_areas, score_panorama
from ldm3d.toy import room

HEIGHT = 64


@pytest.fixture(scope="module")
def distance() -> np.ndarray:
    return room.panorama(HEIGHT)[1]


def test_areas_are_those_of_the_sphere():
    """Archimedes: a zone of the unit sphere between two heights has 2 pi times their difference."""
    areas = row_areas(180) * np.pi / 180 * 2 * np.pi
    assert areas.sum() == pytest.approx(4 * np.pi, rel=1e-4)
    assert areas[:60].sum() == pytest.approx(2 * np.pi * (1 - np.sin(np.radians(30))), rel=1e-4)


def test_any_scale_and_shift_of_inverse_distance_is_perfect(distance):
    found = score_panorama(7 / distance + 3, distance, seed=1)
    assert found[:8] == pytest.approx((0, 0, 1, 1, 1, 1, 1, 1), abs=1e-9)
    assert (found.scale, found.shift) == pytest.approx((1 / 7, -3 / 7))
    assert (found.valid, found.far) == (HEIGHT * 2 * HEIGHT, 0)


def test_errors_are_means_by_area():
    """With fewer pixels than points, the alignment is a plain least-squares fit of all."""
    z = np.full((6, 12), 2.0)
    z[3] = 1.0
    p = 1 / z
    p[0] = 1 / 3.2
    weights = np.repeat(row_areas(6), 12)
    columns = np.stack([p.ravel(), np.ones(72)], axis=1)
    scale, shift = np.linalg.lstsq(columns, 1 / z.ravel())[0]
    aligned = (1 / (scale * p + shift)).ravel()
    ratio = np.maximum(aligned / z.ravel(), z.ravel() / aligned)
    found = score_panorama(p, z, seed=0)
    assert found.abs_rel == pytest.approx(np.average(np.abs(aligned / z.ravel() - 1), weights=weights))
    assert found.rmse_m == pytest.approx(np.average((aligned - z.ravel()) ** 2, weights=weights) ** 0.5)
    for power, share in enumerate((found.delta1, found.delta2, found.delta3), start=1):
        assert share == pytest.approx(np.average(ratio < 1.25**power, weights=weights))
    assert 0 < found.delta1 < 1


def test_points_are_drawn_by_area():
    """Where the upper half of the latitudes has another scale, the fit is nearer to what covers more."""
    z = np.random.default_rng(0).uniform(1, 5, (90, 180))
    p = 1 / z
    p[:30] *= 2  # 60 degrees around a pole: a third of the pixels, a quarter of the area
    by_area = [score_panorama(p, z, seed=seed).scale for seed in range(20)]
    by_pixel = [score_aligned(p, z, seed=seed).scale for seed in range(20)]
    assert np.mean(by_area) > np.mean(by_pixel) + 3 * np.std(by_area) / np.sqrt(20)


def test_an_edge_at_the_seam_counts_and_one_at_the_pole_counts_little():
    z = np.full((32, 64), 2.0)
    z[:, :20] = 4.0  # edges at column 20 and at the seam
    assert score_panorama(1 / z, z, seed=0).edge_f1 == 1
    areas = np.broadcast_to(row_areas(32)[:, None], (32, 64))
    moved = np.roll(z, 3, axis=1)
    wrapped = [np.concatenate([each, each[:, :1]], axis=1) for each in (moved, z, areas)]
    assert edge_f1(*wrapped) == 0
    shifted_at_pole = z.copy()
    shifted_at_pole[:2] = moved[:2]
    shifted_at_equator = z.copy()
    shifted_at_equator[15:17] = moved[15:17]
    pole, equator = (score_panorama(1 / each, z, seed=0).edge_f1 for each in (shifted_at_pole, shifted_at_equator))
    assert equator < pole < 1


def test_edges_that_are_missing_lose_recall_and_those_that_are_not_there_precision_by_area():
    """Two boxes of one size mirror each other at the equator: the same area, and the same edges."""
    one, both = np.full((2, 32, 64), 4.0)
    one[16:26, 10:30] = both[16:26, 10:30] = 2.0
    both[6:16, 34:54] = 2.0
    missing, more = (score_panorama(1 / each, z, seed=0) for each, z in ((one, both), (both, one)))
    assert (missing.edge_precision, missing.edge_recall, missing.edge_f1) == pytest.approx((1, 1 / 2, 2 / 3))
    assert (more.edge_precision, more.edge_recall, more.edge_f1) == pytest.approx((1 / 2, 1, 2 / 3))


def test_alike_areas_count_as_none():
    rng = np.random.default_rng(0)
    one, other = rng.uniform(1, 2, (2, 20, 30))
    assert edge_f1(one, other, np.full((20, 30), 3.0)) == pytest.approx(edge_f1(one, other))


def test_what_cannot_be_aligned_has_no_numbers(distance):
    found = score_panorama(np.ones_like(distance), distance, seed=0)
    assert np.isnan(found[:10]).all()
    assert found.valid == distance.size
    assert score_panorama(1 / distance, distance, seed=0, max_depth_m=0.1).valid == 0
    with pytest.raises(ValueError, match="resize"):
        score_panorama(distance[:4], distance, seed=0)


def test_what_is_beyond_the_cap_is_at_it(distance):
    disparity = 1 / distance
    disparity[20, :8] = 0
    found = score_panorama(disparity, distance, seed=0, max_depth_m=20)
    assert (found.valid, found.far) == (distance.size, 8)
    capped = np.minimum(1 / (found.scale * disparity + found.shift), 20)
    weights = np.broadcast_to(row_areas(HEIGHT)[:, None], distance.shape)
    assert found.abs_rel == pytest.approx(np.average(np.abs(capped - distance) / distance, weights=weights))
