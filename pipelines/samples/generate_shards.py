"""Shards of samples to be made -> committed shards of samples, on GPU actors."""

import gc
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray

from ldm3d.config import GenerateConfig
from ldm3d.images import encode_depth, encode_rgb
from ldm3d.reject import Reason
from ldm3d.schema import IMAGE, SAMPLES, conform
from pipelines.samples.grid import Grid, GridPoint, point_name
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import pictures, row_groups, writer_options
from pipelines.storage.shards import Record, commit_shard
from pipelines.workers.resources import hide_other_gpus

if TYPE_CHECKING:
    from ldm3d.sampling import Sample
    from ldm3d.sampling.sampler import Sampler

CONTRACTS = ("samples", "rejects")  # folders of the output: of the samples that are kept, and of the others
ROW_GROUP_ROWS = 16  # about 8 MB at 512 pixels
OPTIONS = writer_options(SAMPLES, ["scheduler", "checkpoint"])


@dataclass(frozen=True)
class Generating:
    """What the actors of a run are told.

    models: pipelines in the object store, by fingerprint. cpus: of an actor.
    provenance: goes into the metadata of each file, with what is known of its model.
    """

    config: GenerateConfig
    grid: Grid
    models: dict[str, ray.ObjectRef]
    cpus: float
    owner: str
    provenance: dict[str, Any]


class ShardGenerator:
    """One model at a time on one device; another takes its place when a shard asks for it.

    INPUT   one shard: name, source, row_group
    OUTPUT  record, the JSON of its `Record`; its files are committed
    Fan-out 1:1

    Two calls may run at once: while the device draws one shard, the pictures of the one before are written.
    """

    def __init__(self, work: Generating) -> None:
        import torch

        hide_other_gpus()
        torch.set_num_threads(max(1, int(work.cpus)))  # more threads than CPUs is slower than one
        self.work, self.output = work, Folder(work.config.output)
        self.held: tuple[str, Sampler] | None = None
        self.device = threading.Lock()

    def __call__(self, shards: pa.Table) -> pa.Table:
        (shard,) = shards.to_pylist()
        rows = self.output.read_table(shard["source"], row_group=shard["row_group"])
        point = self.work.grid[point_name(shard["name"])]
        with self.device:
            samples, device_s = self._drawn(rows, point)
        record, tables = pack(shard["name"], rows, samples, point, self.work.provenance)
        record = replace(record, device_seconds=device_s)
        record = commit_shard(self.output, self.work.owner, record, tables, {"samples": OPTIONS})
        return pa.table({"record": [record.to_json()]})

    def _drawn(self, rows: pa.Table, point: GridPoint) -> "tuple[list[Sample], float]":
        """Samples, and the seconds that they took. A function of its own, as whoever holds a model keeps it alive."""
        sampler = self._sampler(point.generator.fingerprint)
        began = time.perf_counter()
        samples = sampler(rows["caption"].to_pylist(), rows["seed"].to_pylist(), point.settings)
        return samples, time.perf_counter() - began

    def _sampler(self, fingerprint: str) -> "Sampler":
        """That of a model, for whoever has the device."""
        import torch

        from ldm3d.sampling.sampler import Sampler

        if self.held is None or self.held[0] != fingerprint:
            self.held = None
            gc.collect()
            torch.cuda.empty_cache()  # of the model before: two may not fit. Without a GPU it does nothing
            config = self.work.config
            model = ray.get(self.work.models[fingerprint])
            self.held = fingerprint, Sampler(model, config.sampling, config.model.precision)
        return self.held[1]


def pack(
    name: str, rows: pa.Table, samples: "Sequence[Sample]", point: GridPoint, provenance: dict[str, Any]
) -> tuple[Record, dict[str, list[pa.Table]]]:
    """A shard that was drawn -> its counts, and the row groups of its files by contract.

    Args:
        rows: key, caption, image_id, number, seed.
        samples: of the rows, in their order.
        provenance: what the files' metadata says beside the model.
    """
    good = np.array([sample.is_finite for sample in samples], bool)
    kept = rows.filter(pa.array(good))
    bad = rows.filter(pa.array(~good))
    reasons = [str(Reason.GENERATE_FAILED)] * bad.num_rows
    record = Record(name=name, rows=rows.num_rows, kept=kept.num_rows, rejected=dict(Counter(reasons)), sizes={})
    drawn = [sample for sample in samples if sample.is_finite]
    provenance = provenance | {"model": point.generator.about()}
    table = conform(_with_pictures(kept, drawn, point), "samples/v1", provenance)
    groups = row_groups(table, ROW_GROUP_ROWS)
    return record, {"samples": groups, "rejects": row_groups(_rejects(bad, point, reasons), bad.num_rows)}


def _with_pictures(rows: pa.Table, samples: "Sequence[Sample]", point: GridPoint) -> pa.Table:
    """The columns of `samples/v1`."""
    names = [
        f"{key & (2**64 - 1):016x}-{number}"
        for key, number in zip(rows["key"].to_pylist(), rows["number"].to_pylist(), strict=True)
    ]
    columns = {name: rows[name] for name in rows.column_names}
    for column, value in {**asdict(point.settings), "checkpoint": point.generator.fingerprint}.items():
        columns[column] = pa.array([value] * rows.num_rows, SAMPLES.field(column).type)
    images = [encode_rgb(sample.image) for sample in samples]
    depths = [encode_depth(sample.depth, "png") for sample in samples if sample.depth is not None]
    columns["image"] = pictures(images, [f"{name}.png" for name in names])
    is_rgb = not depths
    columns["depth"] = pa.nulls(len(names), IMAGE) if is_rgb else pictures(depths, [f"{n}-depth.png" for n in names])
    return pa.table(columns)


def _rejects(rows: pa.Table, point: GridPoint, reasons: list[str]) -> pa.Table:
    texts = {"url": [""] * rows.num_rows, "stage": ["generate"] * rows.num_rows, "reason": reasons}
    numbers = zip(rows["number"].to_pylist(), rows["seed"].to_pylist(), strict=True)
    texts["detail"] = [f"{point.name}, number {number}, seed {seed}: not finite" for number, seed in numbers]
    columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    return conform(pa.table({"key": rows["key"], **columns}), "reject/v1")
