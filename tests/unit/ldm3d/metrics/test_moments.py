"""Means, standard deviations and errors are numpy's, however the numbers are split up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ldm3d.metrics.gaussian import FrechetSlope, GaussianSums, frechet_distance
from ldm3d.metrics.moments import Moments

FLOATS = st.floats(-1e6, 1e6)


@given(values=arrays(np.float64, st.integers(2, 40), elements=FLOATS), cut=st.integers(0, 40))
def test_parts_add_up_to_the_whole(values, cut):
    merged = Moments.of(values[:cut]) + Moments.of(values[cut:])
    assert merged.count == len(values)
    assert merged.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-6)
    assert merged.std == pytest.approx(values.std(ddof=1), rel=1e-6, abs=1e-6)
    assert merged.stderr == pytest.approx(values.std(ddof=1) / math.sqrt(len(values)), rel=1e-6, abs=1e-6)


def test_what_is_not_finite_is_left_out_and_counted():
    found = Moments.of(np.array([1, np.nan, 3, np.inf])) + Moments.of(np.array([np.nan]))
    assert (found.count, found.mean, found.excluded) == (2, 2.0, 3)
    assert math.isnan(Moments.of(np.array([5.0])).stderr)


def test_without_numbers_the_mean_is_nan_and_changes_no_sum():
    nothing = Moments.of(np.array([np.nan, np.nan]))
    assert (nothing.count, nothing.excluded) == (0, 2)
    assert all(math.isnan(number) for number in (nothing.mean, nothing.std, nothing.stderr))
    assert math.isnan((nothing + Moments()).mean)
    some = Moments.of(np.array([1.0, 3.0]))
    for merged in (some + nothing, nothing + some):
        assert (merged.count, merged.mean, merged.std, merged.excluded) == (2, 2.0, some.std, 2)


def test_the_error_of_the_frechet_distance_is_its_spread_over_independent_sets():
    """To 25 %: sixty distances determine their standard deviation to 9 %."""
    random = np.random.default_rng(0)
    mix = random.standard_normal((16, 16)) / 4
    reference = GaussianSums.of(np.abs(random.standard_normal((20_000, 16)) @ (mix + 0.1)))
    distances, errors = [], []
    for _ in range(60):
        features = np.abs(random.standard_normal((2_000, 16)) @ mix) + 0.1
        sums = GaussianSums.of(features)
        distances.append(frechet_distance(sums, reference))
        errors.append(Moments.of(FrechetSlope.of(sums, reference).influences(features)).stderr)
    assert np.mean(errors) == pytest.approx(np.std(distances), rel=0.25)


def test_influences_say_how_the_distance_changes_with_the_weight_of_a_feature():
    """An influence is the derivative by a feature's weight, which grows when the feature is there twice."""
    random = np.random.default_rng(1)
    features, other = random.standard_normal((5_000, 4)), GaussianSums.of(random.standard_normal((5_000, 4)) * 1.5)
    sums = GaussianSums.of(features)
    influences = FrechetSlope.of(sums, other).influences(features)
    assert influences.mean() == pytest.approx(0, abs=1e-3)
    strongest = int(np.argmax(np.abs(influences)))
    more = sums + GaussianSums.of(features[strongest : strongest + 1])
    change = (frechet_distance(more, other) - frechet_distance(sums, other)) * len(features)
    assert change == pytest.approx(influences[strongest], rel=0.02)
