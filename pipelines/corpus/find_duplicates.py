"""Finding the duplicates of a corpus: in one task, or in groups on the cluster where they are too many for a task.

    bytes   rows are grouped by sha256: in each group the row with the smallest key stays
    looks   the rows that stay are grouped by two pieces of their perceptual hash at a time. Cut into max_distance + 2
            pieces, the hashes of look-alikes agree in at least two, so every pair of look-alikes meets in some group

The grouping by looks follows Manku, Jain and Das Sarma, "Detecting Near-Duplicates for Web Crawling" (2007). It moves
each row once for every two pieces: 10 times for a distance of 3, 36 times for 7. For 400 M rows, 20 GB for bytes
and 100 GB for looks go through Ray's object store, which spills to disk. A million rows take 90 CPU-seconds, and 400 M
rows 10 CPU-hours. (Grouped by one piece of max_distance + 1, each row would move 4 times, but meet 12,000 others.)

In the end one task holds all findings: 17 bytes for a row of equal bytes, about 200 for a row or pair of equal looks.
"""

import math
from collections.abc import Iterator
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from numpy.typing import NDArray
from ray.data import Dataset

from ldm3d.duplicates import (
    NO_HASH,
    bands,
    choose_byte_duplicates,
    choose_near_duplicates,
    equal_hashes,
    near_duplicate_pairs,
    settle,
)
from ldm3d.keys import positions_of, rank

GROUP_ROWS = 1_000_000  # what one task takes, in 10 s and half a gigabyte
SHA256 = pa.binary(32)
FOUND = pa.schema([("key", pa.int64()), ("kept", pa.int64()), ("same", pa.bool_())])
BLOCKS: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow"}

Pairs = NDArray[np.int64]  # (P, 2): the key of a row, and the key of the row that it resembles
Refs = list["ray.ObjectRef[pa.Table]"]


def find_duplicates(rows: Dataset, count: int, max_distance: int) -> "ray.ObjectRef[pa.Table]":
    """Find the rows to reject. The result depends on the set of rows alone.

    Args:
        rows: key, perceptual_hash: int64; sha256: 32 bytes.
        count: how many rows.
        max_distance: bits in which perceptual hashes of look-alikes may differ.

    Returns:
        Sorted by key: key, of a rejected row; kept, the key of the row that stays instead; same: true for equal bytes,
        false for rows that only look alike.
    """
    groups = math.ceil(count / GROUP_ROWS)
    if groups == 1:
        return _find_at_once.remote(rows.to_arrow_refs(), max_distance)
    by_bytes = rows.map_batches(partial(group_by_bytes, groups=groups), **BLOCKS)
    judged = _each_group(by_bytes, groups, judge_bytes).materialize()
    by_looks = judged.map_batches(partial(group_by_looks, groups=groups, max_distance=max_distance), **BLOCKS)
    compare = partial(compare_looks, groups=groups, max_distance=max_distance)
    alike = _each_group(by_looks, groups * len(_places(max_distance)), compare)
    return _join.remote(judged.map_batches(rejected, **BLOCKS).to_arrow_refs(), alike.to_arrow_refs())


def _each_group(rows: Dataset, groups: int, work: Any) -> Dataset:
    return rows.groupby("group", num_partitions=groups).map_groups(work, batch_format="pyarrow")


def find_in(rows: pa.Table, max_distance: int) -> pa.Table:
    """Find the duplicates in a table, as `find_duplicates` does."""
    keys, hashes = rows["key"].to_numpy(), rows["perceptual_hash"].to_numpy()
    same = choose_byte_duplicates(keys, rows["sha256"].to_pylist())
    other = ~np.isin(keys, same[:, 0])
    return _found(same, choose_near_duplicates(keys[other], hashes[other], max_distance))


def group_by_bytes(rows: pa.Table, groups: int) -> pa.Table:
    """Add the group that a row's digest falls in."""
    words = np.frombuffer(b"".join(rows["sha256"].to_pylist()), np.uint64)
    return rows.append_column("group", pa.array((words[::4] % np.uint64(groups)).astype(np.int32)))


def judge_bytes(rows: pa.Table) -> pa.Table:
    """Judge all rows of a group: key, perceptual_hash, and kept, the key of the row that stays: its own or another."""
    keys = rows["key"].to_numpy()
    same = choose_byte_duplicates(keys, rows["sha256"].to_pylist())
    kept, order = keys.copy(), np.argsort(keys)
    kept[order[positions_of(same[:, 0], keys[order])]] = same[:, 1]
    return pa.table({"key": keys, "perceptual_hash": rows["perceptual_hash"], "kept": kept})


def group_by_looks(rows: pa.Table, groups: int, max_distance: int) -> Iterator[pa.Table]:
    """Repeat each row that stays and has a hash, once for every two pieces of it, with the group of the two pieces."""
    rows = rows.filter(pc.and_(pc.equal(rows["key"], rows["kept"]), pc.not_equal(rows["perceptual_hash"], NO_HASH)))
    pieces = bands(rows["perceptual_hash"].to_numpy(), max_distance + 1)
    for place, (one, other) in enumerate(_places(max_distance)):
        both = (pieces[:, one] << np.uint64(32)) | pieces[:, other]
        drawn = rank(both.view(np.int64), seed=place) % np.uint64(groups)  # unhashed pieces would crowd some groups
        group = pa.array((place * groups + drawn).astype(np.int32))
        yield pa.table({"key": rows["key"], "perceptual_hash": rows["perceptual_hash"], "group": group})


def compare_looks(rows: pa.Table, groups: int, max_distance: int) -> pa.Table:
    """Find the look-alikes in a group, by later and earlier key. same: of equal hash, with the first of that hash."""
    keys, hashes = rows["key"].to_numpy(), rows["perceptual_hash"].to_numpy()
    same = equal_hashes(keys, hashes)
    distinct = ~np.isin(keys, same[:, 0])
    pairs = near_duplicate_pairs(keys[distinct], hashes[distinct], max_distance)
    in_first_place = rows["group"][0].as_py() < groups  # its groups hold every row, so the others need not report
    return _table(same if in_first_place else same[:0], pairs[:, ::-1])


def _places(max_distance: int) -> list[tuple[int, int]]:
    """List the pairs of the max_distance + 2 pieces of a hash."""
    return list(combinations(range(max_distance + 2), 2))


def rejected(judged: pa.Table) -> pa.Table:
    """Select the judged rows that go."""
    rejects = judged.filter(pc.not_equal(judged["key"], judged["kept"]))
    return _table(_pairs(rejects), np.empty((0, 2), np.int64))


def join(rejects: pa.Table, alike: pa.Table) -> pa.Table:
    """Join what the groups of bytes and of looks found into the rows to reject."""
    same_hash, near = alike.filter(alike["same"]), alike.filter(pc.invert(alike["same"]))
    return _found(_pairs(rejects), settle(_pairs(same_hash), _pairs(near)[:, ::-1]))


@ray.remote(num_cpus=1)
def _find_at_once(rows: Refs, max_distance: int) -> pa.Table:
    return find_in(pa.concat_tables(ray.get(rows)), max_distance)


@ray.remote(num_cpus=1)
def _join(rejects: Refs, alike: Refs) -> pa.Table:
    return join(*(pa.concat_tables([FOUND.empty_table(), *_with_rows(refs)]) for refs in (rejects, alike)))


def _with_rows(refs: Refs) -> list[pa.Table]:
    return [table for table in ray.get(refs) if table.num_rows]  # a block without rows may be one without columns


def _found(same_bytes: Pairs, near: Pairs) -> pa.Table:
    return _table(same_bytes, near).sort_by("key")


def _table(same: Pairs, other: Pairs) -> pa.Table:
    every = np.concatenate([same, other])
    return pa.table([every[:, 0], every[:, 1], np.arange(len(every)) < len(same)], schema=FOUND)


def _pairs(table: pa.Table) -> Pairs:
    return np.stack([table["key"].to_numpy(), table["kept"].to_numpy()], axis=-1)
