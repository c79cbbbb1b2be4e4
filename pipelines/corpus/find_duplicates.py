"""Finding the duplicates of a corpus: in one task, or in groups on the cluster where they are too many for a task.

    bytes    rows are grouped by sha256: in each group the row with the smallest key stays
    hashes   the rows that stay are grouped by two pieces of their perceptual hash at a time. Cut into max_distance + 2
             pieces, near hashes agree in at least two, so every pair of them meets in some group
    colours  of rows with equal or near hashes those look alike that have the same colours. Colours are of no column:
             they are taken from the stored pictures of these rows (`remove_duplicates.read_colours`)

The grouping by hashes follows Manku, Jain and Das Sarma, "Detecting Near-Duplicates for Web Crawling" (2007). It moves
each row once for every two pieces: 10 times for a distance of 3, 36 times for 7. For 400 M rows, 20 GB for bytes
and 100 GB for hashes go through Ray's object store, which spills to disk. A million rows take 90 CPU-seconds, and
400 M rows 10 CPU-hours. (Grouped by one piece of max_distance + 1, each row would move 4 times, but meet 12,000
others.) Of rows with equal or near hashes, a million take an hour of CPU for their colours and 20 s for the choice.

In the end one task holds all findings: 17 bytes for a row of equal bytes, about 300 for a row or pair of near hashes.
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

from ldm3d.duplicates.choice import choose_byte_duplicates, choose_near_duplicates
from ldm3d.duplicates.colours import COLOURS
from ldm3d.duplicates.perceptual_hash import NO_HASH
from ldm3d.duplicates.search import bands, near_hashes
from ldm3d.keys import positions_of, rank

GROUP_ROWS = 1_000_000  # what one task takes, in 10 s and half a gigabyte
SHA256 = pa.binary(32)
FOUND = pa.schema([("key", pa.int64()), ("kept", pa.int64()), ("same", pa.bool_())])
ALIKE = pa.schema([("key", pa.int64()), ("other", pa.int64()), ("by", pa.int8())])
BYTES, EQUAL_HASH, NEAR_HASH = range(3)  # what two rows are `ALIKE` by
OF_COLOURS = pa.schema([("key", pa.int64()), ("colours", pa.binary(COLOURS))])
BLOCKS: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow"}

Keys = NDArray[np.int64]
Pairs = NDArray[np.int64]  # (P, 2): the key of a row, and the key of the row that it resembles
Refs = list["ray.ObjectRef[pa.Table]"]


def find_alike(rows: Dataset, count: int, max_distance: int) -> Refs:
    """Find the rows with the same bytes and, of the rest, those with equal or near hashes.

    Args:
        rows: key, perceptual_hash: int64; sha256: 32 bytes.
        count: how many rows.
        max_distance: bits in which near hashes may differ.

    Returns:
        Tables of `ALIKE`: key, other, by. A row of the same bytes, and the one that stays; a row of an equal hash, and
        the first row of it; two rows of near hashes, in any order, each pair at least once.
    """
    groups = math.ceil(count / GROUP_ROWS)
    if groups == 1:
        return [_alike_at_once.remote(rows.to_arrow_refs(), max_distance)]
    by_bytes = rows.map_batches(partial(group_by_bytes, groups=groups), **BLOCKS)
    judged = _each_group(by_bytes, groups, judge_bytes).materialize()
    by_hashes = judged.map_batches(partial(group_by_hashes, groups=groups, max_distance=max_distance), **BLOCKS)
    compare = partial(compare_hashes, groups=groups, max_distance=max_distance)
    near = _each_group(by_hashes, groups * len(_places(max_distance)), compare)
    same_bytes = judged.map_batches(rejected, **BLOCKS)
    return [*same_bytes.to_arrow_refs(), *near.to_arrow_refs()]


def keys_to_compare(alike: Refs) -> "ray.ObjectRef[Keys]":
    """Return the keys whose colours decide, ascending."""
    return _keys_to_compare.remote(alike)


def choose_duplicates(alike: Refs, colours: Dataset) -> "ray.ObjectRef[pa.Table]":
    """Choose the rows to reject. The result depends on the set of rows alone.

    Args:
        alike: what `find_alike` found.
        colours: `OF_COLOURS` of the `keys_to_compare`.

    Returns:
        Sorted by key: key, of a rejected row; kept, the key of the row that stays instead; same: true for equal bytes,
        false for rows that only look alike.
    """
    return _choose_duplicates.remote(alike, colours.to_arrow_refs())


def _each_group(rows: Dataset, groups: int, work: Any) -> Dataset:
    return rows.groupby("group", num_partitions=groups).map_groups(work, batch_format="pyarrow")


def alike_in(rows: pa.Table, max_distance: int) -> pa.Table:
    """Find in a table what `find_alike` finds."""
    keys, hashes = rows["key"].to_numpy(), rows["perceptual_hash"].to_numpy()
    same_bytes = choose_byte_duplicates(keys, rows["sha256"].to_pylist())
    other = ~np.isin(keys, same_bytes[:, 0])
    equal, near = near_hashes(keys[other], hashes[other], max_distance)
    return _alike({BYTES: same_bytes, EQUAL_HASH: equal, NEAR_HASH: near})


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


def group_by_hashes(rows: pa.Table, groups: int, max_distance: int) -> Iterator[pa.Table]:
    """Repeat each row that stays and has a hash, once for every two pieces of it, with the group of the two pieces."""
    rows = rows.filter(pc.and_(pc.equal(rows["key"], rows["kept"]), pc.not_equal(rows["perceptual_hash"], NO_HASH)))
    pieces = bands(rows["perceptual_hash"].to_numpy(), max_distance + 1)
    for place, (one, other) in enumerate(_places(max_distance)):
        both = (pieces[:, one] << np.uint64(32)) | pieces[:, other]
        drawn = rank(both.view(np.int64), seed=place) % np.uint64(groups)  # unhashed pieces would crowd some groups
        group = pa.array((place * groups + drawn).astype(np.int32))
        yield pa.table({"key": rows["key"], "perceptual_hash": rows["perceptual_hash"], "group": group})


def compare_hashes(rows: pa.Table, groups: int, max_distance: int) -> pa.Table:
    """Find the rows of equal and of near hashes in a group."""
    equal, near = near_hashes(rows["key"].to_numpy(), rows["perceptual_hash"].to_numpy(), max_distance)
    in_first_place = rows["group"][0].as_py() < groups  # its groups hold every row, so the others need not report
    return _alike({EQUAL_HASH: equal if in_first_place else equal[:0], NEAR_HASH: near})


def _places(max_distance: int) -> list[tuple[int, int]]:
    """List the pairs of the max_distance + 2 pieces of a hash."""
    return list(combinations(range(max_distance + 2), 2))


def rejected(judged: pa.Table) -> pa.Table:
    """Select the judged rows that go, with those that stay."""
    goes = judged.filter(pc.not_equal(judged["key"], judged["kept"]))
    return _alike({BYTES: np.stack([goes["key"].to_numpy(), goes["kept"].to_numpy()], axis=-1)})


def compared(alike: pa.Table) -> Keys:
    """Return the keys whose colours decide, ascending."""
    return np.unique(np.concatenate([_pairs(alike, EQUAL_HASH), _pairs(alike, NEAR_HASH)]))


def choose(alike: pa.Table, colours: pa.Table) -> pa.Table:
    """Choose the rows to reject, as `choose_duplicates` does."""
    keys = colours["key"].to_numpy()
    pixels = np.frombuffer(b"".join(colours["colours"].to_pylist()), np.uint8).reshape(-1, COLOURS)
    same_bytes = _pairs(alike, BYTES)
    looks = choose_near_duplicates(_pairs(alike, EQUAL_HASH), _pairs(alike, NEAR_HASH), keys, pixels)
    every = np.concatenate([same_bytes, looks])
    found = pa.table([every[:, 0], every[:, 1], np.arange(len(every)) < len(same_bytes)], schema=FOUND)
    return found.sort_by("key")


@ray.remote(num_cpus=1)
def _alike_at_once(rows: Refs, max_distance: int) -> pa.Table:
    return alike_in(pa.concat_tables(_with_rows(rows)), max_distance)


@ray.remote(num_cpus=1)
def _keys_to_compare(alike: Refs) -> Keys:
    return compared(_joined(alike, ALIKE))


@ray.remote(num_cpus=1)
def _choose_duplicates(alike: Refs, colours: Refs) -> pa.Table:
    return choose(_joined(alike, ALIKE), _joined(colours, OF_COLOURS))


def _joined(refs: Refs, schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *_with_rows(refs)])


def _with_rows(refs: Refs) -> list[pa.Table]:
    return [table for table in ray.get(refs) if table.num_rows]  # a block without rows may be one without columns


def _alike(pairs: dict[int, Pairs]) -> pa.Table:
    every = np.concatenate(list(pairs.values()))
    by = np.repeat(np.array(list(pairs), np.int8), [len(some) for some in pairs.values()])
    return pa.table([every[:, 0], every[:, 1], by], schema=ALIKE)


def _pairs(alike: pa.Table, by: int) -> Pairs:
    some = alike.filter(pc.equal(alike["by"], by))
    return np.stack([some["key"].to_numpy(), some["other"].to_numpy()], axis=-1)
