"""Distances between sets agree with closed forms and other ways to compute them, however the sets are split up."""

import numpy as np
import pytest
import scipy.linalg

from ldm3d.metrics.gaussian import FrechetSlope, GaussianSums, frechet_distance
from ldm3d.metrics.inception_score import InceptionScoreSums, split_of
from ldm3d.metrics.kernel_distance import kernel_distance

COUNT, WIDTH = 300, 24


@pytest.fixture(scope="module")
def features() -> tuple[np.ndarray, np.ndarray]:
    """Two sets, float32, of correlated features."""
    random = np.random.default_rng(0)
    mix = random.standard_normal((WIDTH, WIDTH))
    one = random.standard_normal((COUNT, WIDTH)) @ mix
    other = random.standard_normal((COUNT + 50, WIDTH)) @ mix * 1.2 + 0.3
    return one.astype(np.float32), other.astype(np.float32)


def in_parts(whole: np.ndarray, make, parts: int = 7):
    first, *rest = (make(part) for part in np.array_split(whole, parts))
    return sum(rest, first)


def test_sums_of_parts_are_those_of_the_whole_with_numpys_mean_and_covariance(features):
    one, _ = features
    merged = in_parts(one, GaussianSums.of)
    assert merged.count == COUNT
    np.testing.assert_allclose(merged.mean, one.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(one.astype(np.float64).T), rtol=1e-9, atol=1e-12)


def test_the_frechet_distance_is_that_of_the_matrix_root(features):
    one, other = (GaussianSums.of(each) for each in features)
    root = scipy.linalg.sqrtm(one.covariance @ other.covariance).real
    shift = one.mean - other.mean
    expected = shift @ shift + np.trace(one.covariance + other.covariance - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(other, one) == pytest.approx(expected, rel=1e-9)
    assert FrechetSlope.of(one, other).distance == pytest.approx(expected, rel=1e-9)


def test_features_that_vary_in_few_directions_have_the_distance_of_these(features):
    """The covariance then has no inverse."""
    one, other = (each[:15, :10].astype(np.float64) for each in features)
    expected = FrechetSlope.of(*(GaussianSums.of(each) for each in (one, other)))
    # the same ten dimensions, turned into 24
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((WIDTH, 10)))[0].T
    turned = FrechetSlope.of(*(GaussianSums.of(each @ turn) for each in (one, other)))
    assert turned.distance == pytest.approx(expected.distance, rel=1e-7)
    np.testing.assert_allclose(turned.influences(one @ turn), expected.influences(one), rtol=1e-6, atol=1e-6)
    same = GaussianSums.of(np.ones((5, WIDTH)))
    assert frechet_distance(same, GaussianSums.of(other @ turn)) == pytest.approx(
        frechet_distance(GaussianSums.of(other @ turn), same), rel=1e-9
    )


def test_of_independent_features_it_has_a_closed_form():
    """It is Σ (m - m')² + (s - s')², up to the errors of means and deviations, which are 1/√N."""
    random, count = np.random.default_rng(1), 200_000
    means, scales = np.array([[0, 1, -2], [1, 1, 0]]), np.array([[1, 2, 3], [2, 2, 1]])
    one, other = (
        GaussianSums.of(random.standard_normal((count, 3)) * scale + mean)
        for mean, scale in zip(means, scales, strict=True)
    )
    expected = np.square(means[0] - means[1]).sum() + np.square(scales[0] - scales[1]).sum()
    assert frechet_distance(one, other) == pytest.approx(expected, rel=0.02)


def test_of_a_set_and_itself_it_is_nothing_even_with_fewer_features_than_dimensions(features):
    """In an empty direction, a rounding error of 1e-15 becomes its root."""
    one, _ = features
    for count, error in ((COUNT, 1e-12), (WIDTH // 2, 1e-6)):
        sums = GaussianSums.of(one[:count])
        assert frechet_distance(sums, sums) == pytest.approx(0, abs=error * np.trace(sums.covariance))


def test_features_that_do_not_fit_together_are_refused(features):
    one, other = features
    with pytest.raises(ValueError, match="24 and of 5 dimensions"):
        frechet_distance(GaussianSums.of(one), GaussianSums.of(other[:, :5]))
    with pytest.raises(ValueError, match="covariance of 1 features"):
        frechet_distance(GaussianSums.of(one[:1]), GaussianSums.of(other))


def test_the_kernel_distance_is_what_its_definition_says(features):
    """Computed feature by feature, for one subset that is the whole set."""
    one, other = (each[:40].astype(np.float64) for each in features)

    def kernel(x, y) -> float:
        return (float(x @ y) / WIDTH + 1) ** 3

    pairs = [(i, j) for i in range(40) for j in range(40) if i != j]
    expected = np.mean([kernel(one[i], one[j]) + kernel(other[i], other[j]) for i, j in pairs])
    expected -= 2 * np.mean([kernel(x, y) for x in one for y in other])
    found, spread = kernel_distance(one, other, subsets=1, subset_size=40)
    assert found == pytest.approx(expected, rel=1e-9)
    assert spread == 0


def test_the_kernel_distance_of_one_distribution_is_nothing_and_of_two_is_not(features):
    one, other = features
    half = COUNT // 2
    same, spread = kernel_distance(one[:half], one[half:], subset_size=50)
    assert abs(same) < spread
    far, spread = kernel_distance(one, other + 10, subset_size=50)
    assert far > 3 * spread


@pytest.mark.parametrize("size", [1, 301])
def test_a_subset_size_out_of_range_is_refused(features, size):
    with pytest.raises(ValueError, match=f"subsets of {size} features of 300, wanted 2 to 300"):
        kernel_distance(*features, subset_size=size)


def test_the_inception_score_is_what_its_definition_says():
    random = np.random.default_rng(2)
    logits, split = random.standard_normal((103, 6)) * 3, split_of(103, splits=4)
    scores = []
    for number in range(4):
        odds = scipy.special.softmax(logits[split == number], axis=1)
        scores.append(np.exp(scipy.stats.entropy(odds, odds.mean(0, keepdims=True), axis=1).mean()))
    whole = np.concatenate([logits, split[:, None]], axis=1)
    merged = in_parts(whole, lambda part: InceptionScoreSums.of(part[:, :-1], part[:, -1].astype(np.int64), splits=4))
    assert merged.score() == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-9)


def test_the_score_of_sure_answers_is_the_number_of_classes():
    logits = np.eye(5).repeat(40, axis=0) * 1_000
    mean, spread = InceptionScoreSums.of(logits, np.arange(200) % 2, splits=2).score()
    assert (mean, spread) == pytest.approx((5, 0))


def test_splits_are_those_of_a_shuffled_list_cut_into_equal_parts():
    split = split_of(1_003)
    order = np.random.RandomState(2020).permutation(1_003)
    for number in range(10):
        assert set(np.flatnonzero(split == number)) == set(order[number * 1_003 // 10 : (number + 1) * 1_003 // 10])


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match=r"splits of \[3, 0\] pictures"):
        InceptionScoreSums.of(np.zeros((3, 2)), np.zeros(3, np.int64), splits=2).score()
