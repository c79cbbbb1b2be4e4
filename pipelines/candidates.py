"""The plan of a corpus: metadata rows -> candidates in shards, the same ones for the same input and settings.

Rows are ordered by rank (a hash of their key), which makes a sample a prefix, puts equal URLs next to each other and
spreads hosts over shards. The order is made by a range partition: each bucket of ranks is sorted by one task, so that
neither the driver nor a worker ever holds more than a bucket.

    _state/buckets/00003.parquet      the unique candidates of a bucket, by rank
    _state/candidates/00003.parquet   those that were sampled, one row group a shard
    rejects/select/00003.parquet      the rows that a rule rejected
    _state/plan.json, plan.parquet    the counts and the shards; written last
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset

from ldm3d.config import CorpusConfig, SelectConfig
from ldm3d.keys import SPLITS, split_of
from ldm3d.reason import Reason
from ldm3d.schema import conform
from ldm3d.selection import drop_url_duplicates, select
from pipelines.commit import LostRowsError, Shard, check_owner
from pipelines.metadata_input import MetadataInput
from pipelines.storage import Folder

BUCKET_ROWS = 250_000  # about 100 MB of URLs and captions
READ_ROWS = 65_536


@dataclass(frozen=True)
class Plan:
    """What is to be done.  rows_read = sum of the shards' rows + sum of rejected."""

    shards: list[Shard]
    rows_read: int
    rejected: dict[str, int]

    def __post_init__(self) -> None:
        planned = sum(shard.rows for shard in self.shards) + sum(self.rejected.values())
        if planned != self.rows_read:
            raise LostRowsError(
                f"{self.rows_read} metadata rows by the files' footers, but {planned} were planned or rejected: "
                "rows were lost or doubled, or the input changed while it was read"
            )


def make_plan(metadata: MetadataInput, config: CorpusConfig, output: Folder, run: str) -> Plan:
    """Select, order, sample, split and shard on the cluster; the plan is in `output` afterwards.

    Raises:
        TakenOverError: the output belongs to another run, whose plan was left alone.
    """
    check_owner(output, run)
    for stale in ("_state/buckets", "_state/candidates", "rejects/select"):
        output.delete(stale)
    buckets = max(1, -(-metadata.rows // BUCKET_ROWS))
    pieces = ray.data.from_items(_pieces(metadata), override_num_blocks=len(metadata.files))
    read = partial(select_piece, metadata=metadata, config=config.select, buckets=buckets)
    judged = pieces.map_batches(read, batch_size=1, batch_format="pyarrow")
    write = partial(write_bucket, output_url=output.url, config=config.select)
    found = sorted(_each_bucket(judged, buckets, write), key=lambda row: row["bucket"])
    rejected: Counter[str] = Counter()
    for row in found:
        rejected.update(json.loads(row["rejected"]))
    cuts = _cuts([row["selected"] for row in found], config.select.sample)
    if unsampled := sum(row["selected"] for row in found) - sum(cuts):
        rejected[str(Reason.NOT_SAMPLED)] = unsampled
    used = [(row["bucket"], cut) for row, cut in zip(found, cuts, strict=True) if cut]
    plan = Plan(_cut_into_shards(used, config, output), metadata.rows, dict(sorted(rejected.items())))
    check_owner(output, run)
    output.delete("_state/buckets")
    save_plan(plan, output)
    return plan


def _each_bucket(judged: Dataset, buckets: int, write: Callable[[pa.Table], pa.Table]) -> list[dict[str, Any]]:
    """Call `write` with all rows of each bucket, a task each. A shuffle takes seconds: one bucket goes without."""
    if buckets > 1:
        groups = judged.groupby("bucket", num_partitions=buckets)
        return list(groups.map_groups(write, batch_format="pyarrow").take_all())
    together: Any = ray.remote(num_cpus=1)(lambda tables: write(pa.concat_tables(ray.get(tables))))
    counts: pa.Table = ray.get(together.remote(judged.to_arrow_refs()))
    return list(counts.to_pylist())


def select_piece(piece: pa.Table, metadata: MetadataInput, config: SelectConfig, buckets: int) -> Iterator[pa.Table]:
    """One metadata file -> its rows judged, with the bucket that their rank falls in. Streams, a few MB at a time."""
    folder, name = Folder(metadata.url), piece["file"][0].as_py()
    with folder.parquet_file(name, streaming=True) as file:
        for batch in file.iter_batches(batch_size=READ_ROWS, columns=metadata.columns.names()):
            rows = select(pa.Table.from_batches([batch]), metadata.columns, config)
            ranks = rows["rank"].to_numpy()
            bucket = ((ranks >> np.uint64(32)) * np.uint64(buckets)) >> np.uint64(32)
            yield rows.append_column("bucket", pa.array(bucket.astype(np.int32)))


def write_bucket(rows: pa.Table, output_url: str, config: SelectConfig) -> pa.Table:
    """All rows of a bucket -> its files, and one row of counts."""
    output, bucket = Folder(output_url), rows["bucket"][0].as_py()
    passed = pc.equal(rows["reason"], "")
    unique, again = drop_url_duplicates(rows.filter(passed))
    rejects = pa.concat_tables([rows.filter(pc.invert(passed)), _with(again, "reason", str(Reason.DUPLICATE_URL))])
    split = split_of(unique["key"].to_numpy(), config)
    output.write_tables(f"_state/buckets/{bucket:05d}.parquet", [_with(unique, "split", split)])
    if rejects.num_rows:
        rejects = _with(_with(rejects, "stage", "select"), "detail", None).sort_by(
            [("rank", "ascending"), ("url", "ascending"), ("reason", "ascending"), ("caption", "ascending")]
        )
        output.write_tables(f"rejects/select/{bucket:05d}.parquet", [conform(rejects, "reject/v1")])
    counts = Counter(rejects["reason"].to_pylist())
    return pa.table({"bucket": [bucket], "selected": [unique.num_rows], "rejected": [json.dumps(counts)]})


def _cut_into_shards(used: list[tuple[int, int]], config: CorpusConfig, output: Folder) -> list[Shard]:
    """Buckets and how many of their first rows are sampled -> shards, numbered within their split in rank order."""
    if not used:
        return []
    items = ray.data.from_items([{"bucket": b, "cut": c} for b, c in used], override_num_blocks=len(used))
    cut = items.map_batches(
        partial(cut_bucket, output_url=output.url, shard_rows=config.shards.rows),
        batch_size=1,
        batch_format="pyarrow",
    )
    numbers: Counter[str] = Counter()
    shards = []
    for row in sorted(cut.take_all(), key=lambda row: (row["bucket"], row["row_group"])):
        name = f"{row['split']}-{numbers[row['split']]:05d}"
        numbers[row["split"]] += 1
        shards.append(Shard(name, f"_state/candidates/{row['bucket']:05d}.parquet", row["row_group"], row["rows"]))
    return shards


def cut_bucket(item: pa.Table, output_url: str, shard_rows: int) -> pa.Table:
    """The sampled rows of a bucket -> its candidates file, one row group a shard, each shard of one split."""
    output, bucket, cut = Folder(output_url), item["bucket"][0].as_py(), item["cut"][0].as_py()
    rows = output.read_table(f"_state/buckets/{bucket:05d}.parquet").slice(0, cut)
    groups, splits = [], []
    for split in SPLITS:
        part = rows.filter(pc.equal(rows["split"], split))
        starts = range(0, part.num_rows, shard_rows)  # all but the last are full: Ray Data joins small blocks
        groups += [conform(part.slice(start, shard_rows), "candidate/v1") for start in starts]
        splits += [split] * len(starts)
    output.write_tables(f"_state/candidates/{bucket:05d}.parquet", groups)
    sizes = [group.num_rows for group in groups]
    return pa.table(
        {"bucket": [bucket] * len(groups), "row_group": range(len(groups)), "split": splits, "rows": sizes}
    )


def save_plan(plan: Plan, output: Folder) -> None:
    """The plan beside the output; `plan.json` last, as it says that the rest is whole."""
    shards = pa.Table.from_pylist(
        [asdict(shard) for shard in plan.shards],
        schema=pa.schema(
            [("name", pa.string()), ("source", pa.string()), ("row_group", pa.int32()), ("rows", pa.int64())]
        ),
    )
    output.write_tables("_state/plan.parquet", [shards])
    output.write("_state/plan.json", json.dumps({"rows_read": plan.rows_read, "rejected": plan.rejected}).encode())


def load_plan(output: Folder) -> Plan | None:
    """The plan of an earlier run, or None where none was finished."""
    if not output.exists("_state/plan.json"):
        return None
    shards = [Shard(**row) for row in output.read_table("_state/plan.parquet").to_pylist()]
    return Plan(shards, **json.loads(output.read("_state/plan.json")))


def _pieces(metadata: MetadataInput) -> list[dict[str, str]]:
    return [{"file": name} for name, _, _ in metadata.files]


def _cuts(selected: list[int], sample: int | None) -> list[int]:
    """How many rows of each bucket are among the first `sample`; all where there is no sample."""
    if sample is None:
        return selected
    before = np.concatenate([[0], np.cumsum(selected)[:-1]])
    return [int(n) for n in np.clip(sample - before, 0, selected)]


def _with(table: pa.Table, name: str, values: object) -> pa.Table:
    """`table` with a column of strings added, or replaced where there is one; a single value is repeated."""
    if values is None or isinstance(values, str):
        values = [values] * table.num_rows
    column, index = pa.array(values, pa.string()), table.schema.get_field_index(name)
    return table.append_column(name, column) if index < 0 else table.set_column(index, name, column)
