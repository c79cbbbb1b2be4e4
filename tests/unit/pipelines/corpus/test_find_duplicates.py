"""Searching in groups finds what searching at once finds, whatever the number of groups."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ldm3d.duplicates.colours import COLOURS
from ldm3d.duplicates.perceptual_hash import NO_HASH
from pipelines.corpus import find_duplicates as groups_of
from pipelines.corpus.find_duplicates import ALIKE, FOUND, OF_COLOURS, alike_in, choose, compared


def random_rows(count: int, seed: int) -> pa.Table:
    """Rows of few pictures: the same bytes, equal and near hashes, chains of them, and some without a hash."""
    rng = np.random.default_rng(seed)
    keys = rng.permutation(np.unique(rng.integers(-(2**63), 2**63 - 1, count)))
    picture = rng.integers(0, count // 3, len(keys))
    hashes = rng.integers(-(2**63), 2**63 - 1, count // 3)[picture]
    for _ in range(4):  # bits that differ from the picture's
        hashes ^= np.where(rng.random(len(keys)) < 0.25, np.int64(1) << rng.integers(0, 63, len(keys)), 0)
    hashes[picture % 10 == 0] = NO_HASH
    contents = np.where(rng.random(len(keys)) < 0.5, picture, count + np.arange(len(keys)))  # bytes alike, looks not
    digests = [hashlib.sha256(str(content).encode()).digest() for content in contents.tolist()]
    return pa.table({"key": keys, "perceptual_hash": hashes, "sha256": pa.array(digests, pa.binary(32))})


def each(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows of every group, as `map_groups` hands them out."""
    for group in rows["group"].unique().to_pylist():
        yield rows.filter(pc.equal(rows["group"], group))


def colours_of(keys: np.ndarray) -> pa.Table:
    """Colours that a key decides: most rows have the same."""
    levels = np.where(keys % 7 == 0, 90, 160).astype(np.uint8)
    colours = [bytes([level]) * COLOURS for level in levels.tolist()]
    return pa.table([keys, pa.array(colours, pa.binary(COLOURS))], schema=OF_COLOURS)


def chosen(alike: pa.Table) -> pa.Table:
    return choose(alike, colours_of(np.random.default_rng(0).permutation(compared(alike))))


def found_at_once(rows: pa.Table, max_distance: int) -> pa.Table:
    return chosen(alike_in(rows, max_distance))


def found_in_groups(rows: pa.Table, groups: int, max_distance: int) -> pa.Table:
    """`find_alike` of more than one group, without Ray."""
    judged = pa.concat_tables(map(groups_of.judge_bytes, each(groups_of.group_by_bytes(rows, groups))))
    copies = pa.concat_tables(groups_of.group_by_hashes(judged, groups, max_distance))
    near = [groups_of.compare_hashes(part, groups, max_distance) for part in each(copies)]
    return chosen(pa.concat_tables([ALIKE.empty_table(), groups_of.rejected(judged), *near]))


@pytest.mark.parametrize(("groups", "max_distance"), [(7, 0), (7, 1), (2, 3), (7, 3), (40, 3), (3, 7)])
def test_groups_find_what_one_task_finds(groups, max_distance):
    rows = random_rows(1_500, seed=groups)
    at_once = found_at_once(rows, max_distance)
    assert at_once["same"].to_pylist().count(True) > 100
    assert at_once["same"].to_pylist().count(False) > 50
    assert found_in_groups(rows, groups, max_distance).equals(at_once)


def test_the_order_of_the_rows_does_not_matter():
    rows = random_rows(1_000, seed=5)
    shuffled = rows.take(np.random.default_rng(0).permutation(rows.num_rows))
    assert found_at_once(shuffled, 3).equals(found_at_once(rows, 3))
    assert found_in_groups(shuffled, 5, 3).equals(found_at_once(rows, 3))


def test_groups_are_of_about_one_size():
    """Hashes are not: the first bit of every one is the same, and neighbouring frequencies are alike."""
    rng = np.random.default_rng(0)
    keys, hashes = np.arange(40_000), rng.integers(0, 2**40, 40_000)
    judged = pa.table({"key": keys, "perceptual_hash": hashes, "kept": keys})
    copies = pa.concat_tables(groups_of.group_by_hashes(judged, 4, 0))
    assert np.bincount(copies["group"].to_numpy(), minlength=4).min() > 9_000


def test_rows_without_duplicates_or_hashes_are_all_kept():
    rows = random_rows(600, seed=1).slice(0, 1)
    assert found_at_once(rows, 3).equals(FOUND.empty_table())
    digests = pa.array([b"a" * 32, b"b" * 32], pa.binary(32))
    flat = pa.table({"key": [3, 1], "perceptual_hash": [NO_HASH] * 2, "sha256": digests})
    assert found_in_groups(flat, 2, 3).equals(FOUND.empty_table())
