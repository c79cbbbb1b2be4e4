"""The error of a difference is that of the differences of pairs, and of what has no pair as well."""

import math

import numpy as np
import pytest

from ldm3d.metrics.paired import paired_stderr

N = 400
KEYS = np.arange(N)


def scores(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(26, 2.8, N)


def test_of_pairs_it_is_the_spread_of_their_differences():
    before = scores()
    now = before - 0.1 + np.random.default_rng(1).normal(0, 0.05, N)
    expected = (now - before).std(ddof=1) / math.sqrt(N)
    assert paired_stderr(now, before, KEYS) == pytest.approx(expected, rel=1e-12)
    assert paired_stderr(before - 0.5, before, KEYS) == pytest.approx(0, abs=1e-12)


def test_without_a_common_picture_both_errors_add_up_in_quadrature():
    one, other = scores(0), scores(1)
    one[::2], other[1::2] = np.nan, np.inf
    errors = [each[np.isfinite(each)].std(ddof=1) / math.sqrt(N / 2) for each in (one, other)]
    assert paired_stderr(one, other, KEYS) == pytest.approx(math.hypot(*errors), rel=0.01)  # N - 1 of all or of each


def test_samples_of_one_caption_count_as_one():
    """Four copies of every picture tell nothing more."""
    one, other = scores(0), scores(1)
    copies = [np.repeat(each, 4) for each in (one, other, KEYS)]
    assert paired_stderr(*copies) == pytest.approx(paired_stderr(one, other, KEYS), rel=1e-12)


def test_it_is_the_spread_of_the_difference_over_samples_of_pictures():
    """Two samples a caption, a tenth of the numbers missing on either side. 2,000 draws know a spread to 1.6 %."""
    random = np.random.default_rng(0)
    changes, errors = [], []
    for _ in range(2_000):
        caption, picture, effect = random.normal(0, 2, 100), random.normal(0, 1, (100, 2)), random.normal(0, 0.2, 100)
        before = (caption[:, None] + picture).ravel()
        now = before + np.repeat(effect, 2) + random.normal(0, 0.1, 200)
        for each in (now, before):
            each[random.random(200) < 0.1] = np.nan
        changes.append(np.nanmean(now) - np.nanmean(before))
        errors.append(paired_stderr(now, before, np.repeat(np.arange(100), 2)))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(changes), rel=0.05)


def test_too_few_have_no_error():
    two = np.array([1.0, 2.0])
    assert math.isnan(paired_stderr(two, two, np.array([7, 7])))
    assert math.isnan(paired_stderr(two, np.full(2, np.nan), np.array([7, 8])))
    assert math.isnan(paired_stderr(two[:0], two[:0], KEYS[:0]))
