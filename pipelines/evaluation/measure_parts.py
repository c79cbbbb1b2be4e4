"""Parts of sets of pictures -> committed shards of what networks see in them, on GPU actors.

    features/<network>.<look>/<part>.parquet    a row per picture: key, number, and the measurements
    rejects/<network>.<look>/<part>.parquet     pictures that could not be read

<network> is the fingerprint of a network, <look> says how pictures are prepared, and <part> is the fingerprint of a
part's content, keys and numbers. Shards are valid for any evaluation that needs the same again, for all pictures or
some, and for any set that contains the part.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from ldm3d.config import EvaluateConfig
from ldm3d.measures import Batch, Network
from ldm3d.reject import Rejected
from ldm3d.schema import reject_rows
from pipelines.evaluation.feature_rows import FOLDERS
from pipelines.evaluation.picture_rows import read_part
from pipelines.evaluation.task import Task
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, commit_shard, finished
from pipelines.workers.progress import ShardProgress
from pipelines.workers.resources import Pool, prepare_process
from pipelines.workers.stream_shards import on_actors, stream_records

BATCH = 64  # pictures decoded at once and handed to one network after the other
GPU_DECODERS = 4  # threads of an actor that holds a GPU and no CPU
FLOATS = {"compression": "none", "use_dictionary": False}  # features do not compress


@dataclass(frozen=True)
class MeasureJob:
    """What the actors of a run are told."""

    config: EvaluateConfig
    cpus: float
    """CPUs per actor."""
    owner: str
    fingerprints: dict[str, str]
    """Fingerprints of the networks by name, which every node must find again."""


class PartMeasurer:
    """Networks on one device.

    INPUT   task, the JSON of one `Task`
    OUTPUT  record, the JSON of a `Record`, one per network; its files are committed
    Fan-out 1:number of networks

    A picture is read and decoded once for all networks. Two calls may run at once: while the device works on one part,
    the pictures of the next are decoded.
    """

    def __init__(self, job: MeasureJob) -> None:
        prepare_process(job.cpus)
        decoders = max(1, int(job.cpus)) if job.cpus else GPU_DECODERS
        self.job, self.output = job, Folder(job.config.output)
        self.networks: dict[str, Network] = {}
        self.decoders = ThreadPoolExecutor(decoders)
        self.device = threading.Lock()

    def __call__(self, tasks: pa.Table) -> pa.Table:
        (task,) = (Task.from_json(row) for row in tasks["task"].to_pylist())
        rows: dict[str, list[pa.Table]] = {name: [] for name in task.shards}
        rejected: list[tuple[int, int, Rejected]] = []
        device_s = 0.0
        for read in read_part(task.part, BATCH, self.decoders):
            rejected += read.rejected
            if len(read.batch):
                with self.device:
                    began = time.perf_counter()
                    for name in task.shards:
                        rows[name].append(_with_names(self._network(name)(read.batch), read.batch))
                    device_s += time.perf_counter() - began
        records = [
            self._commit(shard.name, rows[name], rejected, len(task.part.key), device_s / len(task.shards))
            for name, shard in task.shards.items()
        ]
        return pa.table({"record": [record.to_json() for record in records]})

    def _network(self, name: str) -> Network:
        from pipelines.evaluation.networks import open_network

        if name not in self.networks:
            opened = open_network(name, self.job.config)
            # otherwise its features would be taken for those of the network that was tried
            if opened.fingerprint != self.job.fingerprints[name]:
                raise RuntimeError(
                    f"{name} has other weights or settings on this node than on the first: give every node the same "
                    "file, or name the commit of a model on the hub"
                )
            self.networks[name] = opened
        return self.networks[name]

    def _commit(
        self, shard: str, rows: list[pa.Table], rejected: list[tuple[int, int, Rejected]], count: int, device_s: float
    ) -> Record:
        kept, reasons = sum(table.num_rows for table in rows), [str(why.reason) for _, _, why in rejected]
        record = Record.of(shard, count, kept, reasons, device_s)
        features = [pa.concat_tables(rows).combine_chunks()] if rows else []
        tables = {"features": features, "rejects": [_rejects(rejected)] if rejected else []}
        return commit_shard(self.output, self.job.owner, record, tables, {"features": FLOATS})


def measure_parts(job: MeasureJob, tasks: list[Task], pool: Pool) -> None:
    """Measure the shards that are not committed yet."""
    output = Folder(job.config.output)
    done = finished(output, [shard for task in tasks for shard in task.shards.values()], FOLDERS)
    pending = [task.without(done) for task in tasks]
    pending = [task for task in pending if task.shards]
    rows = sum(shard.rows for task in pending for shard in task.shards.values())
    with ShardProgress(rows, pool.actors or 1, work="measuring") as progress:
        items = ({"task": task.to_json()} for task in pending)
        for record in stream_records(items, on_actors(PartMeasurer, job, pool), output, job.owner):
            progress.add(record)


def _with_names(measured: pa.Table, batch: Batch) -> pa.Table:
    """Put key and number of each picture in front of its measurements."""
    return measured.add_column(0, "number", pa.array(batch.numbers)).add_column(0, "key", pa.array(batch.keys))


def _rejects(rejected: list[tuple[int, int, Rejected]]) -> pa.Table:
    keys = pa.array([key for key, _, _ in rejected], pa.int64())
    details = [f"number {number}: {why.detail}" for _, number, why in rejected]
    return reject_rows(keys, "evaluate", [why.reason for _, _, why in rejected], details)
