"""The audit finds whatever is not exactly the plan."""

import pyarrow as pa
import pytest

from pipelines.audit import AuditError, audit, check
from pipelines.commit import Shard
from pipelines.storage import Folder

SHARD = Shard("val-00007", "_state/candidates/00000.parquet", 1, rows=5)
KEPT, REJECTED = [11, 12, 13], [14, 15]


@pytest.fixture
def output(tmp_path) -> Folder:
    """An output with one shard as it should be. It is its own source, as it is in a run that downloads."""
    folder = Folder(str(tmp_path))
    other, ours = ([21, 22], KEPT + REJECTED)
    folder.write_tables(SHARD.source, [pa.table({"key": pa.array(keys, pa.int64())}) for keys in (other, ours)])
    write(folder, "rgbd", KEPT)
    write(folder, "rejects", REJECTED)
    return folder


def write(folder: Folder, contract: str, keys: list[int], split: str = "val") -> None:
    table = pa.table({"key": pa.array(keys, pa.int64()), "split": [split] * len(keys)})
    folder.write_tables(SHARD.file(contract), [table])


def fault(output: Folder, shard: Shard = SHARD) -> str:
    item = {"name": [shard.name], "source": [shard.source], "row_group": [shard.row_group]}
    found = check(pa.table(item), output.url, output.url).to_pylist()
    assert [row["name"] for row in found] == [shard.name]
    return found[0]["fault"]


def test_a_shard_that_holds_its_rows_once_is_right(output):
    assert fault(output) == ""


def test_a_shard_without_a_file_of_kept_or_of_rejected_rows_may_be_right(output):
    output.delete(SHARD.file("rgbd"))
    write(output, "rejects", KEPT + REJECTED)
    assert fault(output) == ""
    output.delete(SHARD.file("rejects"))
    write(output, "rgbd", KEPT + REJECTED)
    assert fault(output) == ""


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
    write(output, "rgbd", kept)
    write(output, "rejects", rejected)
    assert fault(output) == found


def test_a_row_in_the_folder_of_another_split_is_found(output):
    write(output, "rgbd", KEPT, split="train")
    assert fault(output) == "rows of the split train"


@pytest.mark.parametrize("stray", ["rgbd/val/00008.parquet", "rgbd/notes.txt", "rejects/val/00007 (copy).parquet"])
def test_a_file_that_is_not_in_the_plan_is_refused_by_name(output, stray):
    output.write(stray, b"")
    with pytest.raises(AuditError) as caught:
        audit([SHARD], output, output, "run")
    assert stray in str(caught.value)


def test_rejects_of_the_selection_and_what_killed_writers_left_are_no_strangers(output):
    output.delete("rgbd")
    output.delete("rejects")
    output.write("rejects/select/00000.parquet", b"")
    output.write("rgbd/val/.00007.parquet.0123.tmp", b"")
    audit([], output, output, "run")
