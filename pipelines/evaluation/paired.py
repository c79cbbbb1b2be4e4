"""Numbers of this run and of an earlier one, picture by picture.

A mean over pictures is compared by the differences of pairs: pictures of the same key and number, which are drawn from
the same caption and noise. Features are stored by the content of their pictures, so those of the earlier pictures are
still in the output, and the file of a run's numbers says which they are.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from ldm3d.metrics.paired import paired_stderr
from ldm3d.results.evaluation import Result
from ldm3d.results.verdict import Pairing
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.earlier_runs import numbers_of
from pipelines.evaluation.feature_cache import FeatureCache
from pipelines.evaluation.feature_rows import FOLDERS, FeatureRows, read_rows
from pipelines.evaluation.networks import DEPTH, PANORAMA_DEPTH, RECONSTRUCTION, SEAM, SIMILARITY
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import metric_of
from pipelines.evaluation.subjects import Subject
from pipelines.storage.folder import Folder, is_damage
from pipelines.storage.shards import Shard, finished

SCORED = {
    "clip": SIMILARITY,
    "depth": DEPTH,
    "depth_edges": DEPTH,
    "panorama_depth": PANORAMA_DEPTH,
    "seam": SEAM,
    "autoencoder": RECONSTRUCTION,
}
"""Metrics that are means of columns of features, and the networks that have them."""
MEASURED = "measured"
"""Where the metadata of a file of numbers names the features behind its means: by name of the pictures and network,
the rows of each shard."""

OLDER = "the earlier run was made by a version that did not write down its pictures' features"
GONE = "the features of the earlier run are no longer in the output, or damaged"
FEW = "too few pictures have a number in both runs"


class Pairs:
    """Pairs up pictures of this run's results with those of earlier ones."""

    def __init__(self, features: FeatureCache, results: Sequence[Result], history: Sequence[Result]) -> None:
        self.features, self.all = features, [*results, *history]
        self.output = Folder(features.plan.config.output)
        self._measured, self._pairings = cache(self._read), cache(self._pair)

    def __call__(self, now: Result, before: Result) -> Pairing | None:
        """Compare a number of this run with an earlier one under the same protocol; None if it is no mean."""
        network = _network_of(now.metric)
        return self._pairings(now.run, before.run, now.pictures, network)[now.metric] if network else None

    def _pair(self, run: str, earlier: str, pictures: str, network: str) -> dict[str, Pairing]:
        """Pair up all the means that a network gave for some pictures in both runs: their features are read once."""
        columns = sorted(self._means(run, pictures, network) & self._means(earlier, pictures, network))
        written = self._measured(earlier).get(pictures, {}).get(network)
        if written is None:
            return dict.fromkeys(columns, Pairing(why_not=OLDER))
        shards = [Shard(name, "", None, rows) for name, rows in written.items()]
        if len(finished(self.output, shards, FOLDERS)) < len(shards):
            return dict.fromkeys(columns, Pairing(why_not=GONE))
        subject, place = _scored(self.features.plan)[pictures, network]
        rows = self.features.features(subject, place).rows
        task = ray.remote(_pairings).options(num_cpus=1, max_retries=3)
        found: dict[str, Pairing] = ray.get(task.remote(rows, rows.chosen, list(written), columns))
        return found

    def _means(self, run: str, pictures: str, network: str) -> set[str]:
        of_run = (each for each in self.all if (each.run, each.pictures) == (run, pictures))
        return {each.metric for each in of_run if _network_of(each.metric) == network}

    def _read(self, run: str) -> dict[str, Any]:
        with self.output.parquet_file(numbers_of(run)) as file:
            found: dict[str, Any] = json.loads((file.schema_arrow.metadata or {}).get(MEASURED.encode(), b"{}"))
        return found


def measured(plan: EvaluatePlan) -> dict[str, dict[str, dict[str, int]]]:
    """Name the features behind a run's means, as `MEASURED` has them."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for (pictures, network), (subject, place) in _scored(plan).items():
        shards = (plan.shard(subject, place, part) for part in subject.pictures.parts)
        found.setdefault(pictures, {})[network] = {shard.name: shard.rows for shard in shards}
    return found


def _scored(plan: EvaluatePlan) -> dict[tuple[str, str], tuple[Subject, str]]:
    """Find what was measured by the `pictures` of its results and the kind of its network: subject and network."""
    inputs = ((each, network) for each in plan.role("input") for network in each.networks)
    found = {(each.pictures.name, network): (each, network) for each, network in inputs if network in SCORED.values()}
    for each in plan.role("corpus"):
        for network, name in zip(each.networks[1:], plan.autoencoders, strict=True):
            found[name, RECONSTRUCTION] = each, network
    return found


def _network_of(result: str) -> str | None:
    return None if result == "rfid" else SCORED.get(metric_of(result))


def _pairings(rows: FeatureRows, chosen: Chosen, earlier: list[str], columns: list[str]) -> dict[str, Pairing]:
    now = _scores(rows.url, [shard.name for shard in rows.shards], columns, chosen)
    try:
        before = _scores(rows.url, earlier, columns, chosen)
    except (OSError, pa.ArrowException) as error:
        if not is_damage(error):
            raise
        return dict.fromkeys(columns, Pairing(why_not=GONE))  # the pictures may be gone: nobody can measure them again
    return {name: _pairing(now[name], before[name], chosen.keys) for name in columns}


def _scores(url: str, shards: list[str], columns: list[str], chosen: Chosen) -> dict[str, NDArray[np.float64]]:
    """Read columns at the places of the pictures that count, (N,) each; NaN for a picture that has no row."""
    found = {name: np.full(len(chosen), np.nan) for name in columns}
    for table, places in read_rows(url, shards, columns, chosen):
        for name in columns:
            found[name][places] = table[name].to_numpy()
    return found


def _pairing(now: NDArray[np.float64], before: NDArray[np.float64], keys: NDArray[np.int64]) -> Pairing:
    count, stderr = int((np.isfinite(now) & np.isfinite(before)).sum()), paired_stderr(now, before, keys)
    return Pairing(stderr, count) if count and np.isfinite(stderr) else Pairing(why_not=FEW)
