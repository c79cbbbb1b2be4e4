"""Shards of planned samples -> committed shards of samples, on GPU actors."""

import gc
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray

from ldm3d.config import GenerateConfig
from ldm3d.images import encode_depth, encode_rgb
from ldm3d.reject import Reason
from ldm3d.schema import IMAGE, SAMPLES, conform, reject_rows
from pipelines.samples.grid import Grid, GridPoint, point_name
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import pictures, row_groups, writer_options
from pipelines.storage.shards import Record, commit_shard
from pipelines.workers.resources import prepare_process

if TYPE_CHECKING:
    from ldm3d.sampling import Sample
    from ldm3d.sampling.sampler import Sampler

FOLDERS = ("samples", "rejects")  # folders of the output
ROW_GROUP_ROWS = 16  # about 8 MB at 512 pixels
OPTIONS = writer_options(SAMPLES, ["scheduler", "checkpoint"])


@dataclass(frozen=True)
class Generating:
    """What the actors of a run need to know."""

    config: GenerateConfig
    grid: Grid
    models: dict[str, ray.ObjectRef]
    """Pipelines in the object store, by fingerprint."""
    cpus: float
    """CPUs of an actor."""
    owner: str
    provenance: dict[str, Any]
    """Metadata of each file, beside what is known of its model."""


class ShardGenerator:
    """Draws shards on one device. It holds one model at a time, and replaces it when a shard asks for another.

    INPUT   one shard: name, source, row_group
    OUTPUT  record, the JSON of its `Record`; its files are committed
    Fan-out 1:1

    Two calls may run at once: while the device draws one shard, the pictures of the previous one are written.
    """

    def __init__(self, work: Generating) -> None:
        prepare_process(work.cpus)
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
        """Draw samples; return them and the seconds it took. A separate function, as a local variable would keep the
        model alive when the next one is loaded."""
        sampler = self._sampler(point.generator.fingerprint)
        began = time.perf_counter()
        samples = sampler(rows["caption"].to_pylist(), rows["seed"].to_pylist(), point.settings)
        return samples, time.perf_counter() - began

    def _sampler(self, fingerprint: str) -> "Sampler":
        """Return the sampler of a model, loading it if another is held. Call it with the device's lock held."""
        import torch

        from ldm3d.sampling.sampler import Sampler

        if self.held is None or self.held[0] != fingerprint:
            self.held = None
            gc.collect()
            torch.cuda.empty_cache()  # the previous model's memory: two may not fit. Does nothing without a GPU
            config = self.work.config
            model = ray.get(self.work.models[fingerprint])
            self.held = fingerprint, Sampler(model, config.sampling, config.model.precision)
        return self.held[1]


def pack(
    name: str, rows: pa.Table, samples: "Sequence[Sample]", point: GridPoint, provenance: dict[str, Any]
) -> tuple[Record, dict[str, list[pa.Table]]]:
    """Turn a drawn shard into its counts, and the row groups of its files by folder.

    Args:
        rows: key, caption, image_id, number, seed.
        samples: one for each row, in their order.
        provenance: metadata of the files beside the model's.
    """
    good = np.array([sample.is_finite for sample in samples], bool)
    kept = rows.filter(pa.array(good))
    bad = rows.filter(pa.array(~good))
    reasons = [str(Reason.GENERATE_FAILED)] * bad.num_rows
    record = Record.of(name, rows.num_rows, kept.num_rows, reasons)
    drawn = [sample for sample in samples if sample.is_finite]
    provenance = provenance | {"model": point.generator.about()}
    table = conform(_with_pictures(kept, drawn, point), "samples/v1", provenance)
    groups = row_groups(table, ROW_GROUP_ROWS)
    return record, {"samples": groups, "rejects": row_groups(_rejects(bad, point, reasons), bad.num_rows)}


def _with_pictures(rows: pa.Table, samples: "Sequence[Sample]", point: GridPoint) -> pa.Table:
    """Return the columns of `samples/v1`."""
    names = [
        f"{key & (2**64 - 1):016x}-{number}"
        for key, number in zip(rows["key"].to_pylist(), rows["number"].to_pylist(), strict=True)
    ]
    columns = {name: rows[name] for name in rows.column_names}
    for column, value in {**asdict(point.settings), "checkpoint": point.generator.fingerprint}.items():
        columns[column] = pa.array([value] * rows.num_rows, SAMPLES.field(column).type)
    images = [encode_rgb(sample.image) for sample in samples]
    columns["image"] = pictures(images, [f"{name}.png" for name in names])
    # a model draws depth for every sample, or for none
    depths = [encode_depth(sample.depth, "png") for sample in samples if sample.depth is not None]
    columns["depth"] = (
        pictures(depths, [f"{name}-depth.png" for name in names]) if depths else pa.nulls(len(names), IMAGE)
    )
    return pa.table(columns)


def _rejects(rows: pa.Table, point: GridPoint, reasons: list[str]) -> pa.Table:
    numbers = zip(rows["number"].to_pylist(), rows["seed"].to_pylist(), strict=True)
    details = [f"{point.name}, number {number}, seed {seed}: not finite" for number, seed in numbers]
    return reject_rows(rows["key"], "generate", reasons, details)
