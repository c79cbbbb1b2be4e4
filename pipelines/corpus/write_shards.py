"""Labelled rows -> committed shards of the packed corpus."""

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.config import CorpusConfig
from ldm3d.images import encode_depth
from ldm3d.schema import RGBD, conform
from pipelines.corpus.retry import Earlier
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import pictures, row_groups, with_columns, writer_options
from pipelines.storage.shards import Record, commit_shard

RGBD_OPTIONS = writer_options(RGBD, ["nsfw", "split"])


def write_shards(
    rows: pa.Table, *, config: CorpusConfig, owner: str, provenance: dict[str, Any], retries: bool
) -> pa.Table:
    """Encode depth and commit shards.

    INPUT   whole shards: a block may hold several, but never a part of one; of `retries` the rows to retry
    OUTPUT  record, the JSON of a `Record`
    Fan-out the rows of a shard : 1
    """
    output = Folder(config.output)
    records = []
    for name in pc.unique(rows["shard"]).to_pylist():
        shard = rows.filter(pc.equal(rows["shard"], name))
        record, tables = _pack(name, shard, config, provenance, Earlier.of(output, name) if retries else None)
        records.append(commit_shard(output, owner, record, tables, {"rgbd": RGBD_OPTIONS}))
    return pa.table({"record": [record.to_json() for record in records]})


def _pack(
    name: str, rows: pa.Table, config: CorpusConfig, provenance: dict[str, Any], earlier: Earlier | None
) -> tuple[Record, dict[str, list[pa.Table]]]:
    """Turn a shard's labelled rows into its counts, and the row groups of its files by folder."""
    kept = rows.filter(pc.equal(rows["reason"], ""))
    rejects = conform(rows.filter(pc.not_equal(rows["reason"], "")), "reject/v1")
    seconds = float(pc.sum(rows["device_seconds"]).as_py() or 0.0)
    rgbd = conform(_with_pictures(kept, config.label.depth_codec), "rgbd/v1", provenance)
    if earlier:
        rgbd, rejects = earlier.joined(rgbd, rejects, config.select.seed)
        seconds += earlier.device_seconds
    count = rgbd.num_rows + rejects.num_rows
    record = Record.of(name, count, rgbd.num_rows, rejects["reason"].to_pylist(), seconds)
    return record, {
        "rgbd": row_groups(rgbd, config.shards.row_group_rows),
        "rejects": row_groups(rejects, rejects.num_rows),
    }


def _with_pictures(rows: pa.Table, codec: Literal["png", "jxl"]) -> pa.Table:
    """Encode image and depth as pictures, in the form that `datasets` reads."""
    depth = [encode_depth(square_map(raw), codec) for raw in rows["depth"].to_pylist()]
    names = [f"{key & (2**64 - 1):016x}" for key in rows["key"].to_pylist()]
    return with_columns(
        rows,
        image=pictures(rows["image"].to_pylist(), [f"{name}.jpg" for name in names]),
        depth=pictures(depth, [f"{name}.{codec}" for name in names]),
    )


def square_map(raw: bytes) -> np.ndarray:
    """Turn the bytes of an S x S uint16 map into the map."""
    values = np.frombuffer(raw, np.uint16)
    side = round(len(values) ** 0.5)
    return values.reshape(side, side)
