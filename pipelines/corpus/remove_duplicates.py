"""The second pass: rows that show the same picture as another row become rejects.

Which rows go depends on the set of kept rows alone: of several rows with the same bytes, or with near perceptual
hashes and the same colours, the one with the smallest key stays (`pipelines.corpus.find_duplicates`). A row that goes
never decides about another, so the pass can be killed and run again at any point.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset

from ldm3d.config import CorpusConfig
from ldm3d.decode.pixels import decode_jpeg
from ldm3d.duplicates.colours import coarse_colours
from ldm3d.keys import positions_of
from ldm3d.reject import Reason
from ldm3d.schema import REJECT, RGBD, reject_rows
from pipelines.corpus.find_duplicates import (
    BLOCKS,
    OF_COLOURS,
    SHA256,
    Keys,
    choose_duplicates,
    find_alike,
    keys_to_compare,
)
from pipelines.corpus.write_shards import RGBD_OPTIONS
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import row_groups
from pipelines.storage.shards import Record, commit_shard, read_rows, redone_if_damaged, shard_file
from pipelines.workers.calls import wait_for

SHARDS_A_TASK = 32


def remove_duplicates(config: CorpusConfig, owner: str, records: dict[str, Record]) -> dict[str, Record]:
    """Move the duplicates of a complete corpus to its rejects. Returns the records of all shards afterwards."""
    filled = [record for record in records.values() if record.kept]
    if not filled:
        return records
    names, patience_s = _by_tasks([{"name": record.name} for record in filled]), config.cluster.no_progress_timeout_s
    hashes = names.map_batches(partial(read_hashes, output_url=config.output), **BLOCKS)
    alike = find_alike(hashes, sum(record.kept for record in filled), config.duplicates.max_distance)
    compared = keys_to_compare(alike)
    wait_for(compared, "finding look-alikes", patience_s)
    colours = names.map_batches(partial(read_colours, output_url=config.output, compared=compared), **BLOCKS)
    found = choose_duplicates(alike, colours)
    if wait_for(found, "choosing duplicates", patience_s).num_rows == 0:
        return records
    shards = _by_tasks([{"record": record.to_json()} for record in filled])
    moved = shards.map_batches(partial(move_duplicates, config=config, owner=owner, found=found), **BLOCKS)
    changed = [Record.from_json(row["record"]) for row in moved.iter_rows()]
    return records | {record.name: record for record in changed}


def _by_tasks(shards: list[dict[str, str]]) -> Dataset:
    return ray.data.from_items(shards, override_num_blocks=math.ceil(len(shards) / SHARDS_A_TASK))


def read_hashes(shards: pa.Table, output_url: str) -> Iterator[pa.Table]:
    """Read key, perceptual_hash and sha256 (32 bytes) of the kept rows of shards, given by name."""
    output = Folder(output_url)
    for name in shards["name"].to_pylist():
        with redone_if_damaged(output, name):
            rows = output.read_table(shard_file(name, "rgbd"), columns=["key", "perceptual_hash", "sha256"])
        digests = [bytes.fromhex(digest) for digest in rows["sha256"].to_pylist()]
        yield rows.replace_schema_metadata(None).set_column(2, "sha256", pa.array(digests, SHA256))


def read_colours(shards: pa.Table, output_url: str, compared: "ray.ObjectRef[Keys]") -> Iterator[pa.Table]:
    """Take the colours of some kept rows of shards, given by name, from their pictures. Yields `OF_COLOURS`."""
    output, wanted = Folder(output_url), ray.get(compared)
    for name in shards["name"].to_pylist():
        file = shard_file(name, "rgbd")
        with redone_if_damaged(output, name):
            at = positions_of(output.read_table(file, columns=["key"])["key"].to_numpy(), wanted) >= 0
            rows = output.read_table(file, columns=["key", "image"]).filter(pa.array(at)) if at.any() else None
        if rows is not None:
            jpegs = pc.struct_field(rows["image"], "bytes").to_pylist()
            colours = [coarse_colours(decode_jpeg(jpeg, 8)[..., ::-1]).tobytes() for jpeg in jpegs]
            yield pa.table([rows["key"].combine_chunks(), pa.array(colours, OF_COLOURS.types[1])], schema=OF_COLOURS)


def move_duplicates(
    shards: pa.Table, config: CorpusConfig, owner: str, found: "ray.ObjectRef[pa.Table]"
) -> Iterator[pa.Table]:
    """Move the duplicates of shards from `rgbd` to `rejects`. Yields the new records of the shards that held any."""
    duplicates = ray.get(found)
    for line in shards["record"].to_pylist():
        record = Record.from_json(line)
        with redone_if_damaged(Folder(config.output), record.name):
            changed = rewrite(record, config, owner, duplicates)
        yield pa.table({"record": pa.array([changed.to_json()] if changed else [], pa.string())})


def rewrite(record: Record, config: CorpusConfig, owner: str, duplicates: pa.Table) -> Record | None:
    """Move a shard's duplicates, commit it, and return its record. None where it holds none.

    If an earlier task died, some or all of the duplicates are among the rejects already.
    """
    output = Folder(config.output)
    keys, found = read_rows(output, record.name, "rgbd", RGBD, ["key"])["key"].to_numpy(), duplicates["key"].to_numpy()
    rejects = read_rows(output, record.name, "rejects", REJECT)
    if (positions_of(keys, found) < 0).all() and (positions_of(rejects["key"].to_numpy(), found) < 0).all():
        return None
    rgbd = read_rows(output, record.name, "rgbd", RGBD)
    goes = positions_of(keys, found) >= 0
    moved = _as_rejects(rgbd.filter(pa.array(goes)), duplicates)
    stayed = rejects.filter(pa.array(~np.isin(rejects["key"].to_numpy(), moved["key"].to_numpy())))
    rejects, kept = pa.concat_tables([stayed, moved]), rgbd.filter(pa.array(~goes))
    reasons = dict(Counter(rejects["reason"].to_pylist()))
    tables = {
        "rejects": row_groups(rejects, rejects.num_rows),
        "rgbd": row_groups(kept, config.shards.row_group_rows),
    }
    changed = replace(record, kept=kept.num_rows, rejected=reasons, sizes={})
    return commit_shard(output, owner, changed, tables, {"rgbd": RGBD_OPTIONS})


def _as_rejects(rows: pa.Table, duplicates: pa.Table) -> pa.Table:
    """Turn the duplicates of one shard into reject rows."""
    at = positions_of(rows["key"].to_numpy(), duplicates["key"].to_numpy())
    found = duplicates.take(pa.array(at))
    reasons = [Reason.DUPLICATE_BYTES if same else Reason.NEAR_DUPLICATE for same in found["same"].to_pylist()]
    details = [f"like the row of key {key}" for key in found["kept"].to_pylist()]
    return reject_rows(rows["key"], "duplicates", reasons, details, rows["url"])
