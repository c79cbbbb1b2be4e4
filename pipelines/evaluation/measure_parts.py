"""Parts of sets of pictures -> committed shards of what networks see in them, on GPU actors.

    features/<measure>.<look>/<part>.parquet    a row for each picture: key, number, and what was measured
    rejects/<measure>.<look>/<part>.parquet     pictures that could not be read

where <measure> is the fingerprint of a network, <look> how pictures are looked at, and <part> the fingerprint of a
part's content, keys and numbers. They hold good for any evaluation that asks for the same again, of all pictures or of
some, and of any set that the part is in.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray

from ldm3d.config import EvaluateConfig
from ldm3d.measures import Batch, Measure
from ldm3d.reject import Rejected
from ldm3d.schema import conform
from pipelines.evaluation.feature_rows import CONTRACTS
from pipelines.evaluation.picture_rows import PartRows, read_part
from pipelines.evaluation.plan import Task
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, commit_shard, finished
from pipelines.workers.progress import ShardProgress
from pipelines.workers.resources import Pool, hide_other_gpus
from pipelines.workers.stream_shards import WINDOW, says_who_took_over

BATCH = 64  # pictures that are decoded at once, and handed to one measure after the other
GPU_DECODERS = 4  # threads of an actor that holds a GPU and no CPU
FLOATS = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}  # they do not shrink


@dataclass(frozen=True)
class Measuring:
    """What the actors of a run are told. cpus: of an actor. fingerprints: of the measures, by name."""

    config: EvaluateConfig
    cpus: float
    owner: str
    provenance: dict[str, Any]
    fingerprints: dict[str, str]


class PartMeasurer:
    """Networks on one device.

    INPUT   one task, JSON: a part, and what of it is to be measured, by the shard that it becomes
    OUTPUT  record, the JSON of a `Record`, one for each measure; its files are committed
    Fan-out 1:number of measures

    A picture is read and decoded once for all measures. Two calls may run at once: while the device works at one part,
    the pictures of the next are decoded.
    """

    def __init__(self, work: Measuring) -> None:
        import torch

        hide_other_gpus()
        threads = max(1, int(work.cpus))  # more threads than CPUs is slower than one
        torch.set_num_threads(threads)
        decoders = threads if work.cpus else GPU_DECODERS
        self.work, self.output = work, Folder(work.config.output)
        self.measures: dict[str, Measure] = {}
        self.decoders = ThreadPoolExecutor(decoders)
        self.device = threading.Lock()

    def __call__(self, tasks: pa.Table) -> pa.Table:
        (task,) = (json.loads(row) for row in tasks["task"].to_pylist())
        part, shards = PartRows(**task["part"] | {"size": _size(task["part"]["size"])}), task["shards"]
        rows: dict[str, list[pa.Table]] = {name: [] for name in shards}
        rejected: list[tuple[int, int, Rejected]] = []
        device_s = 0.0
        for read in read_part(part, BATCH, self.decoders):
            rejected += read.rejected
            if len(read.batch):
                with self.device:
                    began = time.perf_counter()
                    for name in shards:
                        rows[name].append(_with_names(self._measure(name)(read.batch), read.batch))
                    device_s += time.perf_counter() - began
        records = [
            self._commit(shard, rows[name], rejected, len(part.key), device_s / len(shards))
            for name, shard in shards.items()
        ]
        return pa.table({"record": [record.to_json() for record in records]})

    def _measure(self, name: str) -> Measure:
        from pipelines.evaluation.networks import open_measure

        if name not in self.measures:
            opened = open_measure(name, self.work.config)
            if opened.fingerprint != self.work.fingerprints[name]:  # features would be taken for those of the other
                raise RuntimeError(
                    f"{name} has other weights or settings on this node than on the first: give every node the same "
                    "file, or the commit of a hub's model"
                )
            self.measures[name] = opened
        return self.measures[name]

    def _commit(
        self, shard: str, rows: list[pa.Table], rejected: list[tuple[int, int, Rejected]], count: int, device_s: float
    ) -> Record:
        reasons = Counter(str(why.reason) for _, _, why in rejected)
        kept = sum(table.num_rows for table in rows)
        record = Record(shard, count, kept, dict(reasons), {}, device_seconds=device_s)
        features = [pa.concat_tables(rows).combine_chunks()] if rows else []
        tables = {"features": features, "rejects": [_rejects(rejected)] if rejected else []}
        return commit_shard(self.output, self.work.owner, record, tables, {"features": FLOATS})


def measure_parts(work: Measuring, tasks: list[Task], pool: Pool) -> None:
    """What is not measured yet."""
    output = Folder(work.config.output)
    done = finished(output, [shard for task in tasks for shard in task.shards.values()], CONTRACTS)
    pending = [task.without(done) for task in tasks]
    pending = [task for task in pending if task.shards]
    rows = sum(shard.rows for task in pending for shard in task.shards.values())
    with ShardProgress(rows, pool.actors or 1, work="measuring") as progress:
        for record in _stream(pending, work, pool):
            progress.add(record)


def _stream(tasks: list[Task], work: Measuring, pool: Pool) -> Iterator[Record]:
    with says_who_took_over(Folder(work.config.output), work.owner):
        for start in range(0, len(tasks), WINDOW):
            items = [{"task": task.to_json()} for task in tasks[start : start + WINDOW]]
            blocks = ray.data.from_items(items, override_num_blocks=len(items))
            graph = blocks.map_batches(
                PartMeasurer, fn_constructor_args=[work], batch_size=1, batch_format="pyarrow", **pool.arguments()
            )
            for row in graph.iter_rows():
                yield Record.from_json(row["record"])


def _size(size: list[int] | None) -> tuple[int, int] | None:
    return (size[0], size[1]) if size else None


def _with_names(measured: pa.Table, batch: Batch) -> pa.Table:
    return measured.add_column(0, "number", pa.array(batch.numbers)).add_column(0, "key", pa.array(batch.keys))


def _rejects(rejected: list[tuple[int, int, Rejected]]) -> pa.Table:
    count = len(rejected)
    columns = {
        "key": pa.array([key for key, _, _ in rejected], pa.int64()),
        "url": pa.array([""] * count),
        "stage": pa.array(["evaluate"] * count),
        "reason": pa.array([str(why.reason) for _, _, why in rejected]),
        "detail": pa.array([f"number {number}: {why.detail}" for _, number, why in rejected]),
    }
    return conform(pa.table(columns), "reject/v1")
