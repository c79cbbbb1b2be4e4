"""The standard error of the difference of two means over the same pictures."""

import math

import numpy as np
from numpy.typing import NDArray


def paired_stderr(now: NDArray[np.float64], before: NDArray[np.float64], keys: NDArray[np.int64]) -> float:
    """Return the standard error of mean(now) - mean(before), each over its finite numbers.

    It is that of the mean of the differences of pairs, sd / √N, if every picture has both numbers. One that only has
    one of them counts by its influence on that mean, so that two means without a common picture have the errors of
    both in quadrature, √(a² + b²); so, up to chance, have pairs whose numbers do not go together. Pictures of one key
    are a cluster: they share a caption, so their differences are not independent, and it is their sum that varies.

    Args:
        now, before: (N,) numbers of the same pictures; NaN or infinite where there is none.
        keys: (N,) their keys.

    Returns:
        NaN if there are fewer than two keys, or no number on one side.
    """
    has_both = np.isfinite(now).any() and np.isfinite(before).any()
    used = np.isfinite(now) | np.isfinite(before)
    names, places = np.unique(keys[used], return_inverse=True)
    if len(names) < 2 or not has_both:
        return math.nan
    influences = (_influences(now) - _influences(before))[used]
    sums = np.bincount(places, influences)
    return math.sqrt(len(names) / (len(names) - 1) * float((sums**2).sum()))


def _influences(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each of (N,) numbers moves the mean of those that are finite; 0 for the others."""
    finite = np.isfinite(values)
    influences = np.zeros(len(values))
    influences[finite] = (values[finite] - values[finite].mean()) / finite.sum()
    return influences
