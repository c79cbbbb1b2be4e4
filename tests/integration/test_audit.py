"""The audit of a whole output, on the cluster."""

import pyarrow as pa
import pytest

from pipelines.corpus.audit import audit_of
from pipelines.corpus.plan import FOLDERS, Plan
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard, TakenOverError, claim, commit_shard, finished
from pipelines.workers.audit import AuditError

SHARDS = [Shard(f"{split}-00000", f"_state/candidates/{split}.parquet", 0, rows=4) for split in ("train", "val")]


PLAN = Plan(SHARDS, 8, {})


@pytest.fixture
def output(tmp_path) -> Folder:
    """Two finished shards, owned by the run `run`."""
    folder = Folder(str(tmp_path))
    claim(folder, "run", {})
    for number, shard in enumerate(SHARDS):
        keys = pa.array(range(4 * number, 4 * number + 4), pa.int64())
        folder.write_tables(shard.source, [pa.table({"key": keys})])
        commit(folder, shard, keys)
    return folder


def commit(folder: Folder, shard: Shard, keys: pa.Array) -> None:
    """Of four rows the last is rejected."""
    rows = pa.table({"key": keys, "split": [shard.name.split("-")[0]] * 4, "reason": ["timeout"] * 4})
    tables = {"rgbd": [rows.slice(0, 3)], "rejects": [rows.slice(3)]}
    commit_shard(folder, "run", Record(shard.name, 4, 3, {"timeout": 1}, {}), tables)


def test_an_output_that_is_the_plan_passes_and_its_records_are_those_of_the_markers(output):
    records = audit_of(output, output).run(PLAN.shards, "run", PLAN.files)
    assert records == finished(output, SHARDS, FOLDERS)
    assert records.keys() == {"train-00000", "val-00000"}


def test_wrong_shards_are_named_and_are_to_be_done_again(output):
    commit(output, SHARDS[1], pa.array([4, 5, 5, 7], pa.int64()))
    with pytest.raises(AuditError, match=r"1 of 2 shards .*val-00000: 4 rows planned, 4 found, 3 distinct"):
        audit_of(output, output).run(PLAN.shards, "run", PLAN.files)
    assert finished(output, SHARDS, FOLDERS).keys() == {"train-00000"}
    assert not output.exists("_state/shards/val-00000.json")
    output.write(SHARDS[0].file("rejects"), b"another size")
    with pytest.raises(AuditError, match=r"2 of 2 shards .*train-00000: no marker that agrees with its files"):
        audit_of(output, output).run(PLAN.shards, "run", PLAN.files)


def test_the_markers_of_an_output_that_was_taken_over_are_left_to_its_new_owner(output):
    output.delete(SHARDS[0].file("rgbd"))
    claim(output, "another", {})
    with pytest.raises(TakenOverError):
        audit_of(output, output).run(PLAN.shards, "run", PLAN.files)
    assert output.exists("_state/shards/train-00000.json")
