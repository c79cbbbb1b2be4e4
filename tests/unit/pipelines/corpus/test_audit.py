"""The audit finds whatever is not exactly the plan."""

from dataclasses import replace

import pyarrow as pa
import pytest

from pipelines.corpus.audit import audit_of
from pipelines.corpus.plan import Plan
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard
from pipelines.workers.audit import AuditError

SHARD = Shard("val-00007", "_state/candidates/00000.parquet", 1, rows=5)
KEPT, REJECTED = [11, 12, 13], [14, 15]
RECORD = Record(SHARD.name, 5, kept=3, rejected={"timeout": 2}, sizes={})


@pytest.fixture
def output(tmp_path) -> Folder:
    """An output with one shard as it should be. It is its own source, as it is in a run that downloads."""
    folder = Folder(str(tmp_path))
    other, ours = ([21, 22], KEPT + REJECTED)
    folder.write_tables(SHARD.source, [pa.table({"key": pa.array(keys, pa.int64())}) for keys in (other, ours)])
    write(folder, KEPT, REJECTED)
    return folder


def write(folder: Folder, kept: list[int], rejected: list[int], split: str = "val", reason: str = "timeout") -> None:
    """The files of the shard; one without rows is not there."""
    folder.delete(SHARD.file("rgbd"))
    folder.delete(SHARD.file("rejects"))
    for contract, keys in (("rgbd", kept), ("rejects", rejected)):
        if keys:
            count = len(keys)
            columns = {"key": pa.array(keys, pa.int64()), "split": [split] * count, "reason": [reason] * count}
            folder.write_tables(SHARD.file(contract), [pa.table(columns)])


def fault(output: Folder, record: Record = RECORD) -> str:
    item = {"source": [SHARD.source], "row_group": [SHARD.row_group], "record": [record.to_json()]}
    found = audit_of(output, output).check(pa.table(item)).to_pylist()
    assert [row["name"] for row in found] == [SHARD.name]
    return found[0]["fault"]


def test_a_shard_that_holds_its_rows_once_is_right(output):
    assert fault(output) == ""


def test_a_shard_without_a_file_of_kept_or_of_rejected_rows_may_be_right(output):
    write(output, [], KEPT + REJECTED)
    assert fault(output, replace(RECORD, kept=0, rejected={"timeout": 5})) == ""
    write(output, KEPT + REJECTED, [])
    assert fault(output, replace(RECORD, kept=5, rejected={})) == ""


def test_counts_that_are_not_those_of_the_marker_are_found(output):
    write(output, KEPT[:2], [*REJECTED, KEPT[2]])
    assert fault(output) == "2 kept and {'timeout': 3} in its files, 3 and {'timeout': 2} by its marker"
    write(output, KEPT, REJECTED, reason="truncated")
    assert fault(output) == "3 kept and {'truncated': 2} in its files, 3 and {'timeout': 2} by its marker"


@pytest.mark.parametrize(
    ("kept", "rejected", "found"),
    [
        (KEPT[:2], REJECTED, "5 rows planned, 4 found, 4 distinct"),
        (KEPT, [*REJECTED, KEPT[0]], "5 rows planned, 6 found, 5 distinct"),
        ([*KEPT[:2], KEPT[0]], REJECTED, "5 rows planned, 5 found, 4 distinct"),
        ([*KEPT[:2], 99], REJECTED, "5 rows planned, 5 found, 5 distinct"),
        ([], [], "5 rows planned, 0 found, 0 distinct"),
    ],
)
def test_missing_doubled_and_strange_rows_are_found(output, kept, rejected, found):
    write(output, kept, rejected)
    assert fault(output) == found


def test_a_file_of_the_right_size_with_nothing_in_it_is_a_fault_and_no_exception(output):
    name = SHARD.file("rgbd")
    output.write(name, bytes(output.sizes()[name]))
    assert fault(output).startswith("damaged: ")


def test_a_row_in_the_folder_of_another_split_is_found(output):
    write(output, KEPT, REJECTED, split="train")
    assert fault(output) == "rows of the split train"


PLAN = Plan([SHARD], 8, {"nsfw": 3}, {"rejects/select/00000.parquet": 0})


@pytest.mark.parametrize(
    "stray",
    ["rgbd/val/00008.parquet", "rgbd/notes.txt", "rejects/val/00007 (copy).parquet", "rejects/select/00001.parquet"],
)
def test_a_file_that_is_not_in_the_plan_is_refused_by_name(output, stray):
    output.write(stray, b"")
    with pytest.raises(AuditError) as caught:
        audit_of(output, output).run(PLAN.shards, "owner", PLAN.files)
    assert stray in str(caught.value)


def test_rejects_of_the_selection_and_what_killed_writers_left_are_no_strangers(output):
    output.delete("rgbd")
    output.delete("rejects")
    output.write("rejects/select/00000.parquet", b"")
    output.write(f"rgbd/val/.00007.parquet.{'0' * 32}.tmp", b"")
    output.write("rgbd/.DS_Store", b"")
    assert audit_of(output, output).run([], "owner", PLAN.files) == {}
