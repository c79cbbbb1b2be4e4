"""Scores of whole sets, computed from sums over the features of their pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from ldm3d.keys import positions_of
from ldm3d.metrics.gaussian import FrechetSlope, GaussianSums
from ldm3d.metrics.inception_score import SPLITS, InceptionScoreSums, split_of
from ldm3d.metrics.kernel_distance import discrepancy_and_influences, random_subsets
from ldm3d.metrics.moments import Moments
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.feature_rows import FeatureRows, matrix, read_rows


@dataclass(frozen=True)
class Score:
    """A number about a set."""

    value: float
    stderr: float | None
    """Standard error of the value."""
    std: float | None
    """Standard deviation of what the value is the mean of: pictures, splits or subsets."""
    count: int
    """Pictures it is computed from."""
    excluded: int = 0
    """Pictures left out, as they have no finite number."""


def gaussian_of(rows: FeatureRows) -> ray.ObjectRef:
    """Return the `GaussianSums` of `pool`, in the object store."""
    return ray.put(rows.sum(_gaussian, columns=["pool"]))


def frechet(rows: FeatureRows, own: ray.ObjectRef, other: ray.ObjectRef) -> Score:
    """Return the Fréchet distance of a set from another one, which is held fixed in the standard error.

    Args:
        own, other: `gaussian_of` each set.
    """
    task = ray.remote(_frechet).options(num_returns=2, max_retries=3)
    distance, slope = cast("list[ray.ObjectRef]", task.remote(own, other))
    influences = rows.sum(_influences, slope, columns=["pool"])
    value: Any = ray.get(distance)
    return Score(value, influences.stderr, None, influences.count, influences.excluded)


def kernel(rows: FeatureRows, others: FeatureRows, subsets: int, size: int) -> Score:
    """Return the kernel distance, a mean over random subsets of both sets.

    The standard error is that of all pictures of the set, with the other set held fixed.
    """
    task = ray.remote(_kernel).options(max_retries=3)
    value, stderr, std, count = ray.get(task.remote(rows, others, rows.chosen, others.chosen, subsets, size))
    return Score(value, stderr, std, count)


def inception_score(rows: FeatureRows, count: int) -> Score:
    """Return the Inception Score, a mean over splits, which follow from the order of the chosen pictures."""
    splits = min(SPLITS, count)
    sums = rows.sum(_inception, ray.put(split_of(count, splits)), splits, columns=["logits"])
    value, std = sums.score()
    stderr = std / (splits - 1) ** 0.5 if splits > 1 else None  # std is with N, not N - 1, like torch-fidelity's
    return Score(value, stderr, std, int(sums.counts.sum()))


def means(rows: FeatureRows, columns: Iterable[str]) -> dict[str, Score]:
    """Return the mean of each column over the pictures for which it is finite."""
    found = rows.sum(_moments, columns=list(columns)).columns
    return {name: Score(each.mean, each.stderr, each.std, each.count, each.excluded) for name, each in found.items()}


def _gaussian(table: pa.Table, places: NDArray[np.int64]) -> GaussianSums:
    features = matrix(table["pool"])
    return GaussianSums.of(features[np.isfinite(features).all(axis=1)])


def _frechet(one: GaussianSums, other: GaussianSums) -> tuple[float, FrechetSlope]:
    slope = FrechetSlope.of(one, other)
    return slope.distance, slope


def _influences(table: pa.Table, places: NDArray[np.int64], slope: FrechetSlope) -> Moments:
    return Moments.of(slope.influences(matrix(table["pool"])))


def _inception(
    table: pa.Table, places: NDArray[np.int64], split: NDArray[np.int64], splits: int
) -> InceptionScoreSums:
    logits = matrix(table["logits"])
    finite = np.isfinite(logits).all(axis=1)
    return InceptionScoreSums.of(logits[finite], split[places[finite]], splits)


@dataclass(frozen=True)
class Columns:
    """Moments of several columns, which add up."""

    columns: dict[str, Moments]

    def __add__(self, other: "Columns") -> "Columns":
        return Columns({name: moments + other.columns[name] for name, moments in self.columns.items()})


def _moments(table: pa.Table, places: NDArray[np.int64]) -> Columns:
    return Columns({name: Moments.of(table[name].to_numpy()) for name in table.column_names})


def _kernel(
    rows: FeatureRows, others: FeatureRows, own: Chosen, other: Chosen, subsets: int, size: int
) -> tuple[float, float, float, int]:
    size = min(size, len(own), len(other))
    picks = list(random_subsets(len(own), len(other), subsets, size))
    firsts, seconds = np.unique([pick for pick, _ in picks]), np.unique([pick for _, pick in picks])
    first, second = _features_at(rows, own, firsts), _features_at(others, other, seconds)
    found = [
        discrepancy_and_influences(first[positions_of(one, firsts)], second[positions_of(another, seconds)])
        for one, another in picks
    ]
    values = [value for value, _ in found]
    variance = np.mean([influences.var(ddof=1) for _, influences in found])
    return float(np.mean(values)), float(np.sqrt(variance / len(own))), float(np.std(values)), len(own)


def _features_at(rows: FeatureRows, chosen: Chosen, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read the features, (K, D), at the K places `wanted`, which are sorted."""
    found: NDArray[np.float32] = np.empty((len(wanted), 0), np.float32)
    for table, places in read_rows(rows.url, [shard.name for shard in rows.shards], ["pool"], chosen):
        at = positions_of(places, wanted)
        if (at >= 0).any():
            features = matrix(table["pool"])
            if not found.shape[1]:
                found = np.full((len(wanted), features.shape[1]), np.nan, np.float32)
            found[at[at >= 0]] = features[at >= 0]
    return found
