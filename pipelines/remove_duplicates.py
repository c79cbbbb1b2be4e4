"""The second pass: rows that show the same picture as another row become rejects.

Which rows go depends on the set of kept rows alone: of several with the same bytes, or with close perceptual hashes,
the one with the smallest key stays. A row that goes never decides over another, so the pass can be cut short and run
again at any point.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from ldm3d.config import CorpusConfig
from ldm3d.duplicates import choose_byte_duplicates, choose_near_duplicates
from ldm3d.reason import Reason
from ldm3d.schema import conform
from pipelines.commit import Record, commit_shard, shard_file
from pipelines.storage import Folder
from pipelines.write_shards import RGBD_OPTIONS, row_groups

SHARDS_A_READ = 32


def remove_duplicates(config: CorpusConfig, run: str, records: dict[str, Record]) -> dict[str, Record]:
    """Records of a complete corpus -> its records without duplicates."""
    names = sorted(name for name, record in records.items() if record.kept)
    if not names:
        return records
    blocks = -(-len(names) // SHARDS_A_READ)
    shards = ray.data.from_items([{"name": name} for name in names], override_num_blocks=blocks)
    hashes = shards.map_batches(
        partial(read_hashes, output_url=config.output), batch_size=None, batch_format="pyarrow"
    )
    found = find.remote(hashes.to_arrow_refs(), config.duplicates.max_distance)
    duplicates: pa.Table = ray.get(found)
    if duplicates.num_rows == 0:
        return records
    affected = pc.unique(duplicates["shard"]).to_pylist()
    items = ray.data.from_items(
        [{"record": json.dumps(asdict(records[name]))} for name in affected], override_num_blocks=len(affected)
    )
    rewritten = items.map_batches(
        partial(rewrite, config=config, run=run, duplicates=duplicates), batch_size=1, batch_format="pyarrow"
    )
    done = [Record(**json.loads(row["record"])) for row in rewritten.iter_rows()]
    return records | {record.name: record for record in done}


def read_hashes(shards: pa.Table, output_url: str) -> Iterator[pa.Table]:
    """Shard names -> key, url, sha256, perceptual_hash and shard of their kept rows."""
    output = Folder(output_url)
    for name in shards["name"].to_pylist():
        rows = output.read_table(shard_file(name, "rgbd"), columns=["key", "url", "sha256", "perceptual_hash"])
        yield rows.replace_schema_metadata(None).append_column("shard", pa.array([name] * rows.num_rows))


@ray.remote(num_cpus=1)
def find(tables: list["ray.ObjectRef[pa.Table]"], max_distance: int) -> pa.Table:
    """The rows to reject: shard, key, url, reason, detail. Holds the whole corpus's hashes, about 500 bytes a row."""
    rows = pa.concat_tables(ray.get(tables))
    keys, hashes = rows["key"].to_numpy(), rows["perceptual_hash"].to_numpy()
    same = choose_byte_duplicates(keys, rows["sha256"].to_pylist())
    other = ~np.isin(keys, same[:, 0])
    near = choose_near_duplicates(keys[other], hashes[other], max_distance)
    found = np.concatenate([same, near])
    order = np.argsort(keys)
    at = pa.array(order[np.searchsorted(keys, found[:, 0], sorter=order)])
    return pa.table(
        {
            "shard": rows["shard"].take(at),
            "url": rows["url"].take(at),
            "key": pa.array(found[:, 0], pa.int64()),
            "reason": [str(Reason.DUPLICATE_BYTES)] * len(same) + [str(Reason.NEAR_DUPLICATE)] * len(near),
            "detail": pa.array([f"like the row of key {key}" for key in found[:, 1].tolist()], pa.string()),
        }
    )


def rewrite(item: pa.Table, config: CorpusConfig, run: str, duplicates: pa.Table) -> pa.Table:
    """One shard's record -> its record after its duplicates moved from rgbd to rejects."""
    output = Folder(config.output)
    record = Record(**json.loads(item["record"][0].as_py()))
    mine = duplicates.filter(pc.equal(duplicates["shard"], record.name))
    rgbd = output.read_table(shard_file(record.name, "rgbd"))
    kept = rgbd.filter(pc.invert(pc.is_in(rgbd["key"], mine["key"].combine_chunks())))
    moved = conform(mine.append_column("stage", pa.array(["duplicates"] * mine.num_rows)), "reject/v1")
    rejects = moved
    if (name := shard_file(record.name, "rejects")) in record.sizes:
        before = output.read_table(name)  # of a task that died on the way, it may hold the moved rows already
        others = before.filter(pc.invert(pc.is_in(before["key"], mine["key"].combine_chunks())))
        rejects = pa.concat_tables([others, moved])
    reasons = Counter(record.rejected) + Counter(moved["reason"].to_pylist())
    changed = Record(**{**asdict(record), "kept": kept.num_rows, "rejected": dict(reasons), "sizes": {}})
    tables = {
        "rejects": row_groups(rejects, rejects.num_rows),
        "rgbd": row_groups(kept, config.shards.row_group_rows),
    }
    done = commit_shard(output, run, changed, tables, {"rgbd": RGBD_OPTIONS})
    return pa.table({"record": [json.dumps(asdict(done))]})
