"""CMMD is what its definition says, in any blocks."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ldm3d.metrics import pairs
from ldm3d.metrics.cmmd import cmmd


def embeddings(count: int, shift: float, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((count, 16)) + shift
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def by_definition(one: np.ndarray, other: np.ndarray) -> float:
    """Of all pairs at once, with scipy's distances."""
    own, across, others = (
        np.exp(-cdist(*pair, "sqeuclidean") / 200).mean() for pair in ((one, one), (one, other), (other, other))
    )
    return 1_000 * (own - 2 * across + others)


@pytest.mark.parametrize("block", [7, 50, 1_024])
def test_it_is_what_its_definition_says(monkeypatch, block):
    """To what is left of float64 when the definition's kernels, near 1, cancel: 1000 times 1e-15."""
    monkeypatch.setattr(pairs, "BLOCK", block)
    one, other = embeddings(60, 0, 0), embeddings(50, 0.3, 1)
    found = cmmd(one, other)
    assert found == pytest.approx(by_definition(one.astype(np.float64), other.astype(np.float64)), abs=1e-11)
    assert found > 0.1


def test_of_two_single_embeddings_it_has_a_closed_form():
    """Opposite ones are 2 apart: 1000 (1 + 1 - 2 exp(-4 / 200))."""
    one = np.array([[1.0, 0.0]])
    assert cmmd(one, -one) == pytest.approx(2_000 * -np.expm1(-0.02), rel=1e-12)


def test_of_a_set_and_itself_it_is_nothing():
    one = embeddings(60, 0, 0)
    assert cmmd(one, one[::-1]) == pytest.approx(0, abs=1e-11)
