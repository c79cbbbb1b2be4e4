"""Scores that compare all pairs of features of two sets: CMMD, and precision and recall.

Each set is gathered once, in the object store. Tasks compare groups of rows with a whole set, and their sums add up.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from ldm3d.metrics.cmmd import SCALE, mean_kernel
from ldm3d.metrics.moments import Moments
from ldm3d.metrics.precision_recall import is_within, squared_radii
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.feature_rows import GROUP_ROWS, FeatureRows, matrix, read_rows
from pipelines.evaluation.scores import Columns, Score


@dataclass(frozen=True, eq=False)
class Manifold:
    """The finite features of a set and the radii of the balls around them, in the object store."""

    features: ray.ObjectRef
    """(N, D)."""
    radii: ray.ObjectRef
    """(N,), squared."""


def embeddings_of(rows: FeatureRows) -> ray.ObjectRef:
    """Return the finite embeddings of a set, (N, D), in the object store."""
    return _finite(rows, "embedding")


def maximum_discrepancy(rows: FeatureRows, others: FeatureRows, own: ray.ObjectRef, other: ray.ObjectRef) -> Score:
    """Return CMMD. The standard error is that of the pictures of the set, with the other set held fixed.

    Args:
        own, other: `embeddings_of` each set.
    """
    # an embedding adds a - 2 b to the distance, by its mean kernels with its own set and the other; as in KID's
    # kernel, its influence is 2 (a - b)
    found = rows.sum(_kernels, own, other, columns=["embedding"]).columns
    rest = others.sum(_kernels, other, columns=["embedding"]).columns["own"]
    value, influences = found["value"], found["influence"]
    return Score(SCALE * (value.mean + rest.mean), SCALE * influences.stderr, None, value.count, value.excluded)


def manifold_of(rows: FeatureRows, count: int) -> Manifold:
    """Return the manifold of a set of at most `count` pictures; radii are computed on the cluster, a part per task."""
    features = _finite(rows, "pool")
    task = ray.remote(_radii).options(num_cpus=1, max_retries=3)
    parts = [task.remote(features, start, start + GROUP_ROWS) for start in range(0, count, GROUP_ROWS)]
    return Manifold(features, ray.put(np.concatenate(ray.get(parts))))


def precision_recall(rows: FeatureRows, others: FeatureRows, own: Manifold, real: Manifold) -> dict[str, Score]:
    """Return precision and recall, both undefined if there are too few pictures for a manifold.

    Their errors are those of the pictures that are looked for, the generated and the real ones, with the manifold of
    the others held fixed. Both count the pictures of the set, not the real ones.

    Args:
        own, real: `manifold_of` each set.
    """
    precise = rows.sum(_within, real.features, real.radii, columns=["pool"])
    recalled = others.sum(_within, own.features, own.radii, columns=["pool"])
    known, total = len(ray.get(own.radii)), precise.count + precise.excluded
    counted = known if recalled.count else 0
    return {
        "precision": Score(precise.mean, precise.stderr, precise.std, precise.count, precise.excluded),
        "recall": Score(recalled.mean, recalled.stderr, recalled.std, counted, total - counted),
    }


def _kernels(table: pa.Table, places: NDArray[np.int64], own: Any, other: Any = None) -> Columns:
    embeddings = matrix(table["embedding"])
    within = mean_kernel(embeddings, own)
    if other is None:
        return Columns({"own": Moments.of(within)})
    across = mean_kernel(embeddings, other)
    return Columns({"value": Moments.of(within - 2 * across), "influence": Moments.of(2 * (within - across))})


def _radii(features: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float64]:
    return squared_radii(features[start:stop], features)


def _within(
    table: pa.Table, places: NDArray[np.int64], features: NDArray[np.float32], radii: NDArray[np.float64]
) -> Moments:
    return Moments.of(is_within(matrix(table["pool"]), features, radii))


def _finite(rows: FeatureRows, column: str) -> ray.ObjectRef:
    """Return the features of the pictures that count, without those that are not finite, in the object store."""
    return ray.remote(_finite_features).options(max_retries=3).remote(rows, rows.chosen, column)


def _finite_features(rows: FeatureRows, chosen: Chosen, column: str) -> NDArray[np.float32]:
    shards = [shard.name for shard in rows.shards]
    tables = (table for table, places in read_rows(rows.url, shards, [column], chosen) if len(places))
    found: NDArray[np.float32] = np.concatenate([matrix(table[column]) for table in tables])
    return np.asarray(found[np.isfinite(found).all(axis=1)])
