"""Labelled rows -> committed shards of the packed corpus."""

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ldm3d.images import encode_depth

from ldm3d.config import CorpusConfig
from ldm3d.schema import IMAGE, RGBD, conform
from pipelines.commit import Record, commit_shard
from pipelines.storage import Folder

PICTURES = ("image.bytes", "depth.bytes")  # encoded already: they do not shrink, and no reader filters by them
LEAVES = [
    name
    for field in RGBD
    for name in ([f"{field.name}.bytes", f"{field.name}.path"] if field.type == IMAGE else [field.name])
]
RGBD_OPTIONS: dict[str, Any] = {
    "compression": {name: "none" if name in PICTURES else "zstd" for name in LEAVES},
    "use_dictionary": ["nsfw", "split"],
    "write_statistics": [name for name in LEAVES if name not in PICTURES],
}


class ShardWriter:
    """Encodes depth and commits shards.

    INPUT   whole shards: a block may hold several, but never a part of one
    OUTPUT  a row a shard: record, the JSON of its `Record`
    """

    def __init__(self, config: CorpusConfig, run: str, provenance: dict[str, Any]) -> None:
        self.config = config
        self.run = run
        self.provenance = provenance

    def __call__(self, rows: pa.Table) -> pa.Table:
        output = Folder(self.config.output)
        shards = pc.unique(rows["shard"]).to_pylist()
        records = [self._commit(output, name, rows.filter(pc.equal(rows["shard"], name))) for name in shards]
        return pa.table({"record": [json.dumps(asdict(record)) for record in records]})

    def _commit(self, output: Folder, name: str, rows: pa.Table) -> Record:
        kept = rows.filter(pc.equal(rows["reason"], ""))
        rejects = rows.filter(pc.not_equal(rows["reason"], ""))
        record = Record(
            name=name,
            rows=rows.num_rows,
            kept=kept.num_rows,
            rejected=dict(Counter(rejects["reason"].to_pylist())),
            sizes={},
            label_seconds=float(pc.sum(rows["label_seconds"]).as_py() or 0.0),
        )
        rgbd = conform(self._encoded(kept), "rgbd/v1", self.provenance)
        tables = {
            "rgbd": row_groups(rgbd, self.config.shards.row_group_rows),
            "rejects": row_groups(conform(rejects, "reject/v1"), rejects.num_rows),
        }
        return commit_shard(output, self.run, record, tables, {"rgbd": RGBD_OPTIONS})

    def _encoded(self, rows: pa.Table) -> pa.Table:
        """Rows with image and depth as encoded pictures, in the form that `datasets` reads."""
        codec = self.config.label.depth_codec
        depth = [encode_depth(square_map(raw), codec) if raw else b"" for raw in rows["depth"].to_pylist()]
        keys = [key & (2**64 - 1) for key in rows["key"].to_pylist()]
        pictures = {
            "image": _pictures(rows["image"].to_pylist(), [f"{key:016x}.jpg" for key in keys]),
            "depth": _pictures(depth, [f"{key:016x}.{codec}" for key in keys]),
        }
        for name, values in pictures.items():
            rows = rows.set_column(rows.column_names.index(name), name, values)
        return rows


def square_map(raw: bytes) -> np.ndarray:
    """The bytes of an S x S uint16 map -> the map."""
    values = np.frombuffer(raw, np.uint16)
    side = round(len(values) ** 0.5)
    return values.reshape(side, side)


def row_groups(table: pa.Table, size: int) -> list[pa.Table]:
    """A table cut into row groups of `size` rows; none where it is empty."""
    return [table.slice(start, size) for start in range(0, table.num_rows, max(1, size))]


def _pictures(contents: list[bytes], names: list[str]) -> pa.StructArray:
    return pa.StructArray.from_arrays(
        [pa.array(contents, pa.binary()), pa.array(names, pa.string())], fields=list(IMAGE)
    )
