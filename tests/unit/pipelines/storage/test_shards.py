"""A shard is done when its marker is there and its files are what the marker says; anything less is done again."""

import json

import pyarrow as pa
import pytest

from pipelines.storage.folder import Folder
from pipelines.storage.shards import (
    LostRowsError,
    NothingKeptError,
    Record,
    Shard,
    claim,
    commit_shard,
    finished,
    forget,
    redone_if_damaged,
    require_kept,
    totals,
)

SHARD = Shard("train-00007", "source.parquet", 0, rows=5)
FOLDERS = ("rgbd", "rejects")
TABLES = {"rgbd": [pa.table({"key": [1, 2, 3]})], "rejects": [pa.table({"key": [4, 5]})]}


@pytest.fixture
def output(tmp_path):
    folder = Folder(str(tmp_path))
    claim(folder, "run", {})
    return folder


def record(**changes) -> Record:
    return Record(**({"name": SHARD.name, "rows": 5, "kept": 3, "rejected": {"timeout": 2}, "sizes": {}} | changes))


def test_a_committed_shard_is_finished(output):
    done = commit_shard(output, "run", record(), TABLES)
    assert finished(output, [SHARD], FOLDERS) == {SHARD.name: done}
    assert set(done.sizes) == {"rgbd/train/00007.parquet", "rejects/train/00007.parquet"}


def test_a_record_that_loses_rows_cannot_be_made():
    with pytest.raises(LostRowsError, match="rows were lost or doubled"):
        record(kept=2)


@pytest.mark.parametrize("lost", ["rgbd/train/00007.parquet", "rejects/train/00007.parquet"])
def test_a_shard_without_one_of_its_files_is_not_finished(output, lost):
    commit_shard(output, "run", record(), TABLES)
    output.delete(lost)
    assert finished(output, [SHARD], FOLDERS) == {}


def test_a_shard_whose_file_was_cut_is_not_finished(output):
    commit_shard(output, "run", record(), TABLES)
    output.write(SHARD.file("rgbd"), output.read(SHARD.file("rgbd"))[:-1])
    assert finished(output, [SHARD], FOLDERS) == {}


def test_a_marker_without_meaning_is_no_marker(output):
    for content in (b"", b"{", b"{}", b'{"name": 1}', b"[]", b"null"):
        output.write("_state/shards/train-00007.json", content)
        assert finished(output, [SHARD], FOLDERS) == {}


def test_a_shard_done_twice_holds_its_rows_once(output):
    commit_shard(output, "run", record(), TABLES)
    done = commit_shard(
        output, "run", record(kept=5, rejected={}), {"rgbd": [pa.table({"key": range(5)})], "rejects": []}
    )
    assert finished(output, [SHARD], FOLDERS) == {SHARD.name: done}
    assert not output.exists(SHARD.file("rejects"))


def test_a_shard_whose_file_does_not_open_is_forgotten_one_that_a_store_denies_is_not(output):
    commit_shard(output, "run", record(), TABLES)
    with pytest.raises(PermissionError), redone_if_damaged(output, SHARD.name):
        raise PermissionError(13, "denied")
    assert SHARD.name in finished(output, [SHARD], FOLDERS)
    name = SHARD.file("rgbd")
    output.write(name, bytes(output.sizes()[name]))
    with pytest.raises(pa.ArrowInvalid) as caught, redone_if_damaged(output, SHARD.name):
        output.read_table(name)
    assert "train-00007" in caught.value.__notes__[-1]
    assert finished(output, [SHARD], FOLDERS) == {}


def test_a_forgotten_shard_is_to_be_done(output):
    commit_shard(output, "run", record(), TABLES)
    forget(output, [SHARD.name])
    assert finished(output, [SHARD], FOLDERS) == {}


def test_markers_of_another_plan_do_not_count(output):
    commit_shard(output, "run", record(), TABLES)
    assert finished(output, [Shard(SHARD.name, "source.parquet", 0, rows=6)], FOLDERS) == {}
    assert finished(output, [Shard("val-00007", "source.parquet", 0, rows=5)], FOLDERS) == {}


def test_totals_add():
    assert totals([record(), record(kept=4, rejected={"nsfw": 1})]) == (10, 7, {"nsfw": 1, "timeout": 2})


def test_a_marker_of_an_earlier_version_is_read(output):
    done = commit_shard(output, "run", record(device_seconds=1.5), TABLES)
    marker = json.loads(output.read("_state/shards/train-00007.json"))
    marker["label_seconds"] = marker.pop("device_seconds")
    output.write("_state/shards/train-00007.json", json.dumps(marker).encode())
    assert finished(output, [SHARD], FOLDERS) == {SHARD.name: done}
    assert done.device_seconds == 1.5


def test_a_stage_that_made_nothing_of_its_rows_has_failed():
    some, none = Record("a-0", 3, 1, {"timeout": 2}, {}), Record("a-1", 2, 0, {"generate_failed": 2}, {})
    require_kept([some, none], "")
    require_kept([], "")  # of no rows nothing is wanted
    with pytest.raises(NothingKeptError, match=r"all 2 rows were rejected: generate_failed \(2\). Look"):
        require_kept([none], "Look")
