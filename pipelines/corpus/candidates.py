"""Planning a corpus: metadata rows -> candidates in shards, the same ones for the same input and settings.

Rows are ordered by rank (a hash of their key), so that a sample is a prefix, equal URLs are neighbours, and hosts are
spread over the shards. A range partition makes the order: one task sorts each bucket of ranks, and neither the driver
nor a worker ever holds more than a bucket.

    _state/buckets/00003.parquet      the unique candidates of a bucket, by rank
    _state/candidates/00003.parquet   the sampled ones, one row group a shard
    _state/pictures/                  the pictures of these that were in the tables (pipelines.corpus.unpack)
    rejects/select/00003.parquet      the rows that a rule rejected
    _state/plan.json, plan.parquet    the plan (pipelines.corpus.plan); written last
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset

from ldm3d.config import CorpusConfig, SelectConfig
from ldm3d.keys import SPLITS, split_of
from ldm3d.reject import Reason
from ldm3d.rows.selection import EXTRAS, drop_url_duplicates, select
from ldm3d.schema import conform
from pipelines.corpus.metadata import MetadataInput
from pipelines.corpus.plan import FILES, PICTURES, Plan, planned_files, save_plan
from pipelines.corpus.tables.kinds import table_of
from pipelines.corpus.unpack import unpack, with_places
from pipelines.storage.folder import Folder, is_damage
from pipelines.storage.parquet import with_columns
from pipelines.storage.shards import Shard, check_owner
from pipelines.workers.calls import wait_for

logger = logging.getLogger(__name__)

BUCKET_ROWS = 250_000  # about 100 MB of URLs and captions
BUCKET_BYTES = 2**29  # where the metadata holds depth
READ_ROWS, READ_BYTES = 65_536, 2**26  # at a time
COUNTS = pa.schema(
    [
        ("bucket", pa.int32()),
        ("selected", pa.int64()),
        ("rejected", pa.string()),
        ("damaged", pa.list_(pa.string())),
        ("seen", pa.list_(pa.string())),
    ]
)
JUDGED = {  # the column that a rule reads
    Reason.NSFW: "nsfw",
    Reason.LOW_SIMILARITY: "similarity",
    Reason.CAPTION_TOO_SHORT: "caption",
    Reason.CAPTION_TOO_LONG: "caption",
}
SEEN = 5
AGAIN = "another row with this URL was taken"


def most_shards(metadata: MetadataInput, config: CorpusConfig) -> int:
    """Upper bound on the number of shards: full shards, plus one short shard per split in each bucket."""
    rows, select = metadata.rows, config.select
    splits = 1 + (select.val_fraction > 0) + (select.test_fraction > 0)
    wanted = rows if select.sample is None else min(rows, select.sample)
    return min(wanted, wanted // config.shards.rows + splits * _buckets(metadata))


def _buckets(metadata: MetadataInput) -> int:
    return max(1, math.ceil(metadata.rows / BUCKET_ROWS), math.ceil(metadata.depth_bytes / BUCKET_BYTES))


def make_plan(metadata: MetadataInput, config: CorpusConfig, output: Folder, owner: str) -> Plan:
    """Select, order, sample, split and shard the metadata on the cluster, and save the plan in `output`.

    Raises:
        ValueError: metadata files are damaged. The message names them.
        TakenOverError: the output belongs to another run, whose plan was left alone.
    """
    check_owner(output, owner)
    for stale in ("_state/buckets", PICTURES, *FILES):
        output.delete(stale)
    buckets = _buckets(metadata)
    files = _pieces(metadata)
    pieces = ray.data.from_items(files, override_num_blocks=len(files))
    read = partial(select_piece, metadata=metadata, config=config.select, buckets=buckets)
    judged = pieces.map_batches(read, batch_size=1, batch_format="pyarrow")
    write = partial(write_bucket, output_url=output.url, config=config.select)
    patience_s = config.cluster.no_progress_timeout_s
    found = sorted(_each_bucket(judged, buckets, write, patience_s), key=lambda row: row["bucket"])
    _refuse_damaged(sorted(line for row in found for line in row["damaged"]))
    rejected: Counter[str] = Counter()
    for row in found:
        rejected.update(json.loads(row["rejected"]))
    _warn_of_a_rule_that_rejects_all(found, rejected)
    cuts = _cuts([row["selected"] for row in found], config.select.sample)
    if unsampled := sum(row["selected"] for row in found) - sum(cuts):
        rejected[str(Reason.NOT_SAMPLED)] = unsampled
    used = [(row["bucket"], cut) for row, cut in zip(found, cuts, strict=True) if cut]
    if metadata.columns.image and used:
        _refuse_damaged(unpack(metadata, config.select, output, _last_rank(used, output)))
    shards = _cut_into_shards(used, config, output)
    plan = Plan(shards, metadata.rows, dict(sorted(rejected.items())), planned_files(output))
    check_owner(output, owner)
    output.delete("_state/buckets")
    save_plan(plan, output)
    return plan


def _refuse_damaged(lines: list[str]) -> None:
    if lines:
        raise ValueError(
            f"--input: {'; '.join(lines)}: damaged. Download these files again; to do without them, remove them and "
            "give an empty --output"
        )


def _last_rank(used: list[tuple[int, int]], output: Folder) -> int:
    """Return the rank of the last sampled row."""
    bucket, cut = used[-1]
    return int(output.read_table(f"_state/buckets/{bucket:05d}.parquet", columns=["rank"])["rank"][cut - 1].as_py())


def _each_bucket(
    judged: Dataset, buckets: int, write: Callable[[pa.Table], pa.Table], patience_s: float
) -> list[dict[str, Any]]:
    """Call `write` on all rows of each bucket, one task a bucket. A single bucket spares the shuffle's seconds."""
    if buckets > 1:
        groups = judged.groupby("bucket", num_partitions=buckets)
        return list(groups.map_groups(write, batch_format="pyarrow").take_all())
    together: Any = ray.remote(num_cpus=1)(lambda tables: write(pa.concat_tables(ray.get(tables))))
    counts: pa.Table = wait_for(together.remote(judged.to_arrow_refs()), "planning", patience_s)
    return list(counts.to_pylist())


def select_piece(piece: pa.Table, metadata: MetadataInput, config: SelectConfig, buckets: int) -> Iterator[pa.Table]:
    """Stream one metadata file: its rows, judged, with the bucket that their rank falls in, a few MB at a time.

    The column `damaged` is null, except in one row that stands for a file that broke off. An exception would not do:
    Ray Data keeps only its trace, which does not tell a damaged input from a failing store.
    """

    def judged(table: pa.Table, first: int, damage: str | None = None) -> pa.Table:
        rows = select(table, metadata.columns, config, metadata.under, metadata.place(name, first))
        bucket = ((rows["rank"].to_numpy() >> np.uint64(32)) * np.uint64(buckets)) >> np.uint64(32)
        rows = rows.append_column("bucket", pa.array(bucket.astype(np.int32)))
        return _with(rows, "damaged", damage)

    folder, name, first = Folder(metadata.url), piece["file"][0].as_py(), 0
    names = replace(metadata.columns, image=None).names()
    a_row = metadata.depth_bytes // max(1, metadata.rows) + 1
    table = table_of(metadata.kind, folder, name)
    batches = table.batches(names, min(READ_ROWS, max(1, READ_BYTES // a_row)), metadata.readings.get(name, {}))
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            if not is_damage(error):
                raise
            nothing = pa.table({column: pa.nulls(1) for column in names})
            yield judged(nothing, first, f"{folder.path(name)} ({' '.join(str(error).split())})")
            return
        if batch is None:
            return
        yield judged(pa.Table.from_batches([batch]), first)
        first += batch.num_rows


def write_bucket(rows: pa.Table, output_url: str, config: SelectConfig) -> pa.Table:
    """Write the files of a bucket from all of its rows. Returns one row of counts."""
    output, bucket = Folder(output_url), rows["bucket"][0].as_py()
    if damaged := rows["damaged"].drop_null().to_pylist():
        return _counts(bucket, 0, {}, damaged=damaged)
    passed = pc.equal(rows["reason"], "")
    unique, again = drop_url_duplicates(rows.filter(passed))
    again = _with(_with(again, "reason", str(Reason.DUPLICATE_URL)), "detail", AGAIN)
    rejects = pa.concat_tables([rows.filter(pc.invert(passed)), again])
    split = split_of(unique["key"].to_numpy(), config)
    output.write_tables(f"_state/buckets/{bucket:05d}.parquet", [_with(unique, "split", split)])
    seen = [] if unique.num_rows else _seen(rejects)
    if rejects.num_rows:
        rejects = _with(rejects, "stage", "select").sort_by(
            [(name, "ascending") for name in ("rank", "url", "reason", "caption", "detail")]
        )
        output.write_tables(f"rejects/select/{bucket:05d}.parquet", [conform(rejects, "reject/v1")])
    return _counts(bucket, unique.num_rows, Counter(rejects["reason"].to_pylist()), seen=seen)


def _seen(rejects: pa.Table) -> list[str]:
    """The most frequent values of the column whose rule rejected all rows. None where there were several rules."""
    reasons = set(rejects["reason"].to_pylist())
    if len(reasons) != 1 or (name := JUDGED.get(Reason(*reasons))) is None:
        return []
    return [repr(value)[:40] for value, _ in Counter(rejects[name].to_pylist()).most_common(SEEN)]


def _warn_of_a_rule_that_rejects_all(found: list[dict[str, Any]], rejected: dict[str, int]) -> None:
    if len(rejected) == 1 and not any(row["selected"] for row in found):
        values = sorted({value for row in found for value in row["seen"]})[:SEEN]
        about = f"; the column holds values such as {', '.join(values)}" if values else ""
        logger.warning("every row is rejected as %s%s. See --select in --help", *rejected, about)


def _counts(
    bucket: int, selected: int, rejected: dict[str, int], damaged: Sequence[str] = (), seen: Sequence[str] = ()
) -> pa.Table:
    row = {"bucket": bucket, "selected": selected, "rejected": json.dumps(rejected), "damaged": damaged, "seen": seen}
    return pa.Table.from_pylist([row], COUNTS)


def _cut_into_shards(used: list[tuple[int, int]], config: CorpusConfig, output: Folder) -> list[Shard]:
    """Cut buckets into shards, numbered within their split in rank order.

    Args:
        used: bucket, and how many of its first rows are sampled.
    """
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
    """Write the candidates file of a bucket: the sampled rows, one row group a shard, each shard of one split."""
    output, bucket, cut = Folder(output_url), item["bucket"][0].as_py(), item["cut"][0].as_py()
    rows = output.read_table(f"_state/buckets/{bucket:05d}.parquet").slice(0, cut)
    rows = with_places(rows, output) if "table" in rows.column_names else rows
    groups, splits = [], []
    for split in SPLITS:
        part = rows.filter(pc.equal(rows["split"], split))
        starts = range(0, part.num_rows, shard_rows)  # all but the last are full, as Ray Data joins small blocks
        groups += [_candidates(part.slice(start, shard_rows)) for start in starts]
        splits += [split] * len(starts)
    output.write_tables(f"_state/candidates/{bucket:05d}.parquet", groups)
    sizes = [group.num_rows for group in groups]
    return pa.table(
        {"bucket": [bucket] * len(groups), "row_group": range(len(groups)), "split": splits, "rows": sizes}
    )


def _candidates(rows: pa.Table) -> pa.Table:
    """Return the rows as candidates, with the depth and the places of pictures that came with them, if any did."""
    extras = {name: rows[name] for name in (*EXTRAS, "part") if name in rows.column_names}
    return with_columns(conform(rows, "candidate/v1"), **extras)


def _pieces(metadata: MetadataInput) -> list[dict[str, str]]:
    """One piece a file. A file without rows is left out, as it would be a block without columns."""
    return [{"file": name} for name, _, rows in metadata.files if rows]


def _cuts(selected: list[int], sample: int | None) -> list[int]:
    """Count the rows of each bucket that are among the first `sample`. All are, where there is no sample."""
    if sample is None:
        return selected
    before = np.concatenate([[0], np.cumsum(selected)[:-1]])
    return [int(n) for n in np.clip(sample - before, 0, selected)]


def _with(table: pa.Table, name: str, values: object) -> pa.Table:
    """Add or replace a column of strings. A single value is repeated."""
    if values is None or isinstance(values, str):
        values = [values] * table.num_rows
    return with_columns(table, **{name: pa.array(values, pa.string())})
