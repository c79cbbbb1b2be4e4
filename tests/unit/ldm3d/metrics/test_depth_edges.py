"""The boundary F1 is what its definition says, and knows sharp edges from blurred and misplaced ones."""

import cv2
import numpy as np
import pytest

from ldm3d.metrics.depth_edges import RATIOS, edge_f1

HIGH, WIDE = 12, 17


def by_definition(found: np.ndarray, reference: np.ndarray) -> float:
    """Pixel by pixel and neighbour by neighbour, with ratios as they are written."""
    scores, weights = [], []
    for ratio in RATIOS:
        both = own = wanted = 0
        for y in range(HIGH):
            for x in range(WIDE):
                for v, u in ((y, x + 1), (y, x - 1), (y + 1, x), (y - 1, x)):
                    values = [each[y, x] for each in (found, reference)]
                    if not (0 <= v < HIGH and 0 <= u < WIDE):
                        continue
                    others = [each[v, u] for each in (found, reference)]
                    if not all(np.isfinite(value) and value > 0 for value in values + others):
                        continue
                    is_own, is_wanted = (other / value > ratio for value, other in zip(values, others, strict=True))
                    both, own, wanted = both + (is_own and is_wanted), own + is_own, wanted + is_wanted
        if own + wanted:
            precision, recall = both / own if own else 0, both / wanted if wanted else 0
            scores.append(2 * precision * recall / (precision + recall) if both else 0)
            weights.append(ratio)
    return np.average(scores, weights=weights)


def scene(blur: float = 0, shift: int = 0) -> np.ndarray:
    """A box at 2 m before a wall at 3 m."""
    depth = np.full((64, 64), 3.0)
    depth[20:44, 20 + shift : 44 + shift] = 2.0
    return cv2.GaussianBlur(depth, (0, 0), blur) if blur else depth


def test_it_is_what_its_definition_says():
    """No ratio of neighbours is within rounding of a threshold here, so edges are the same ones."""
    random = np.random.default_rng(0)
    reference = np.exp(random.normal(0, 0.1, (HIGH, WIDE))).astype(np.float32)
    found = (reference * np.exp(random.normal(0, 0.05, (HIGH, WIDE)))).astype(np.float32)
    for value, place in ((np.nan, (3, 4)), (0, (0, 0)), (np.inf, (7, 7))):
        reference[place] = value
    found[5, 5] = -1
    score = edge_f1(found, reference)
    assert score == pytest.approx(by_definition(found.astype(float), reference.astype(float)), rel=1e-12)
    assert 0.3 < score < 0.9


def test_it_does_not_change_with_scale():
    found, reference = scene(blur=0.8), scene()
    assert edge_f1(100 * found, reference) == pytest.approx(edge_f1(found, reference), rel=1e-12)


def test_sharp_edges_in_their_places_are_better_than_blurred_and_misplaced_ones():
    assert edge_f1(scene(), scene()) == 1
    blurred = [edge_f1(scene(blur), scene()) for blur in (0.5, 1, 2, 4)]
    assert blurred == sorted(blurred, reverse=True)
    assert blurred[-1] < 0.3
    # a box moved sideways shares the upper and lower edges but for five pixels each, and no other
    assert edge_f1(scene(shift=5), scene()) == pytest.approx((24 - 5) / 48, rel=1e-12)


def test_inverted_depth_shares_no_edge():
    assert edge_f1(1 / scene(), scene()) == 0


def test_where_no_map_has_edges_there_is_no_score():
    flat = np.full((8, 8), 2.0)
    assert np.isnan(edge_f1(flat, flat))
    assert np.isnan(edge_f1(np.full((8, 8), np.nan), flat))
    assert edge_f1(scene(), np.full((64, 64), 2.0)) == 0  # edges that are not there


def test_ratios_for_which_there_are_no_edges_count_neither_way():
    """A step of 10 %: the ratios above it are left out."""
    step = np.where(np.arange(8) < 4, 1.0, 1.1)[None].repeat(8, axis=0)
    assert edge_f1(step, step) == 1


def test_maps_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        edge_f1(np.ones((2, 3)), np.ones((3, 2)))
