"""The boundary F1 is what its definition says, and knows sharp edges from blurred and misplaced ones."""

import cv2
import numpy as np
import pytest

from ldm3d.metrics.depth_edges import RATIOS, Edges, compare_edges, edge_f1

HIGH, WIDE = 12, 17


def by_definition(found: np.ndarray, reference: np.ndarray, areas: np.ndarray) -> Edges:
    """Pixel by pixel and neighbour by neighbour, with ratios as they are written."""
    scores: list[list[tuple[float, float]]] = [[], [], []]
    for ratio in RATIOS:
        both = own = wanted = 0.0
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
                    area = (areas[y, x] + areas[v, u]) / 2
                    both, own = both + area * (is_own and is_wanted), own + area * is_own
                    wanted += area * is_wanted
        precision, recall = both / own if own else 0, both / wanted if wanted else 0
        f1 = 2 * precision * recall / (precision + recall) if both else 0
        for of, score, is_there in zip(scores, (f1, precision, recall), (own + wanted, own, wanted), strict=True):
            of += [(score, ratio)] if is_there else []
    return Edges(*(np.average([score for score, _ in of], weights=[ratio for _, ratio in of]) for of in scores))


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
    alike, areas = np.ones((HIGH, WIDE)), random.uniform(0, 1, (HIGH, WIDE))
    scores = compare_edges(found, reference)
    assert scores == pytest.approx(by_definition(found.astype(float), reference.astype(float), alike), rel=1e-12)
    by_area = by_definition(found.astype(float), reference.astype(float), areas)
    assert compare_edges(found, reference, areas) == pytest.approx(by_area, rel=1e-12)
    assert by_area != pytest.approx(scores, rel=1e-3)
    assert edge_f1(found, reference) == scores.f1
    assert all(0.3 < score < 0.9 for score in scores)
    assert compare_edges(reference, found) == pytest.approx((scores.f1, scores.recall, scores.precision))


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


def test_blur_loses_recall_and_edges_that_are_not_there_lose_precision():
    wall = np.full((64, 64), 3.0)
    assert compare_edges(wall, scene()) == pytest.approx((0, np.nan, 0), nan_ok=True)
    assert compare_edges(scene(), wall) == pytest.approx((0, 0, np.nan), nan_ok=True)
    more = scene()
    more[4:16, 50:62] = 2.0  # a box of a quarter of the area, and half the edges
    assert compare_edges(more, scene()) == pytest.approx((0.8, 2 / 3, 1))
    assert compare_edges(scene(blur=2), scene()).recall < 0.3


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
