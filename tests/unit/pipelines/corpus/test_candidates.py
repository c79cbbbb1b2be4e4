"""The plan's tasks, one by one: a damaged file is told, and a sample is the beginning of every larger one."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import CorpusConfig, SelectConfig, ShardConfig
from ldm3d.rows.columns import Columns
from ldm3d.schema import CANDIDATE
from pipelines.corpus import candidates
from pipelines.corpus.candidates import cut_bucket, most_shards, select_piece, write_bucket
from pipelines.corpus.metadata import MetadataInput
from pipelines.corpus.plan import Plan, load_plan, save_plan
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard

ROWS = 600
SELECT = SelectConfig(val_fraction=0.3, test_fraction=0.1)
PIECE = pa.table({"file": ["m.parquet"]})


@pytest.fixture
def metadata(tmp_path) -> MetadataInput:
    """One file of good rows, in six row groups."""
    rows = {"URL": [f"http://a.test/{n}.jpg" for n in range(ROWS)], "TEXT": [f"picture {n}" for n in range(ROWS)]}
    table = pa.table(rows | {"NSFW": ["UNLIKELY"] * ROWS})
    pq.write_table(table, tmp_path / "m.parquet", row_group_size=ROWS // 6, use_dictionary=False)
    return MetadataInput(str(tmp_path), [("m.parquet", 0, ROWS)], Columns(url="URL", caption="TEXT", nsfw="NSFW"))


def sample(metadata: MetadataInput, output: Path, size: int | None, buckets: int = 1) -> set[str]:
    """The URLs of the candidates that are planned."""
    folder, rows = Folder(str(output)), pa.concat_tables(select_piece(PIECE, metadata, SELECT, buckets))
    parts = [rows.filter(pa.array(rows["bucket"].to_numpy() == bucket)) for bucket in range(buckets)]
    found = [write_bucket(part, folder.url, SELECT).to_pylist()[0] for part in parts]
    urls: list[str] = []
    for row, cut in zip(found, candidates._cuts([row["selected"] for row in found], size), strict=True):
        if cut:
            cut_bucket(pa.table({"bucket": [row["bucket"]], "cut": [cut]}), folder.url, shard_rows=64)
            urls += folder.read_table(f"_state/candidates/{row['bucket']:05d}.parquet")["url"].to_pylist()
    assert len(urls) == len(set(urls))
    return set(urls)


def test_a_sample_is_a_part_of_every_larger_one_however_the_rows_are_divided(metadata, tmp_path):
    smaller: set[str] = set()
    for size in (1, 60, 399, ROWS, None):
        planned = sample(metadata, tmp_path / "one", size)
        assert len(planned) == (size or ROWS)
        assert smaller <= planned
        assert sample(metadata, tmp_path / "many", size, buckets=5) == planned
        smaller = planned


def test_a_dry_run_promises_no_fewer_shards_than_come(metadata, tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "BUCKET_ROWS", ROWS // 5)
    for size in (1, 60, 399, None):
        output = tmp_path / str(size)
        sample(metadata, output, size, buckets=5)
        shards = sum(pq.ParquetFile(file).num_row_groups for file in output.glob("_state/candidates/*"))
        config = CorpusConfig(
            input="in", output="out", select=replace(SELECT, sample=size), shards=ShardConfig(rows=64)
        )
        assert shards <= most_shards(metadata, config) <= shards + 5 * 3


def test_values_that_a_rule_rejected_every_row_for_are_told(metadata, tmp_path, caplog):
    nobody = replace(SELECT, nsfw=("SAFE",))
    rows = pa.concat_tables(select_piece(PIECE, metadata, nobody, 1))
    (counts,) = write_bucket(rows, str(tmp_path / "out"), nobody).to_pylist()
    assert (counts["selected"], counts["rejected"], counts["seen"]) == (0, '{"nsfw": 600}', ["'UNLIKELY'"])
    candidates._warn_of_a_rule_that_rejects_all([counts], {"nsfw": ROWS})
    assert "as nsfw" in caplog.text
    assert "'UNLIKELY'" in caplog.text


def test_every_reject_of_the_selection_says_why(metadata, tmp_path):
    table = pq.read_table(tmp_path / "m.parquet")
    rated = table.set_column(2, "NSFW", pa.array(["NSFW"] + ["UNLIKELY"] * (ROWS - 1)))
    pq.write_table(pa.concat_tables([rated, rated.slice(ROWS - 1)]), tmp_path / "m.parquet")
    write_bucket(pa.concat_tables(select_piece(PIECE, metadata, SELECT, 1)), str(tmp_path / "out"), SELECT)
    (file,) = (tmp_path / "out/rejects/select").iterdir()
    assert {(row["reason"], row["detail"]) for row in pq.ParquetFile(file).read().to_pylist()} == {
        ("nsfw", "nsfw is NSFW, wanted UNLIKELY"),
        ("duplicate_url", "another row with this URL was taken"),
    }


def test_of_rules_that_reject_all_together_nothing_is_said(metadata, tmp_path, caplog):
    two = replace(SELECT, nsfw=("SAFE",))
    rows = pa.concat_tables(select_piece(PIECE, metadata, two, 1))
    rows = rows.set_column(rows.column_names.index("reason"), "reason", pa.array(["nsfw", "too_small"] * (ROWS // 2)))
    (counts,) = write_bucket(rows, str(tmp_path / "out"), two).to_pylist()
    candidates._warn_of_a_rule_that_rejects_all([counts], {"nsfw": 300, "too_small": 300})
    assert (counts["seen"], caplog.text) == ([], "")


def break_last_pages(file: Path) -> None:
    """Damage in the last row group, behind a good footer."""
    column = pq.read_metadata(file).row_group(5).column(0)
    content = bytearray(file.read_bytes())
    content[column.data_page_offset : column.data_page_offset + column.total_compressed_size] = bytes(
        [0xAB] * column.total_compressed_size
    )
    file.write_bytes(content)


def test_a_file_that_breaks_off_is_named_behind_the_rows_before(metadata, tmp_path):
    break_last_pages(tmp_path / "m.parquet")
    tables = list(select_piece(PIECE, metadata, SELECT, 1))
    assert len({table.schema for table in tables}) == 1
    rows = pa.concat_tables(tables)
    (damage,) = rows["damaged"].drop_null().to_pylist()
    assert damage.startswith(f"{tmp_path}/m.parquet (")
    counts = write_bucket(rows, str(tmp_path / "out"), SELECT).to_pylist()
    assert counts == [{"bucket": 0, "selected": 0, "rejected": "{}", "damaged": [damage], "seen": []}]
    assert not (tmp_path / "out").exists()


def test_a_store_that_fails_is_no_damaged_file(metadata, tmp_path):
    (tmp_path / "m.parquet").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        list(select_piece(PIECE, metadata, SELECT, 1))
    assert caught.value.__notes__ == [f"{tmp_path}/m.parquet"]


@pytest.mark.parametrize("name", ["_state/plan.json", "_state/plan.parquet"])
@pytest.mark.parametrize("damage", [b"", b"{", None])
def test_a_damaged_plan_is_no_plan(tmp_path, name, damage):
    folder = Folder(str(tmp_path))
    save_plan(Plan([Shard("train-00000", "_state/candidates/00000.parquet", 0, 3)], 5, {"nsfw": 2}), folder)
    assert load_plan(folder).rows_read == 5
    folder.delete(name)
    if damage is not None:
        folder.write(name, damage)
    assert load_plan(folder) is None


def test_files_without_rows_are_passed_over(metadata):
    some = replace(metadata, files=[("empty.parquet", 100, 0), *metadata.files])
    assert candidates._pieces(some) == [{"file": "m.parquet"}]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()], ids=str)
def test_depth_that_the_metadata_holds_goes_with_its_row_in_bounded_buckets(metadata, tmp_path, monkeypatch, kind):
    table = pq.read_table(tmp_path / "m.parquet")
    cells = pa.array([None if n == 7 else f"maps/{n}.npy".encode() for n in range(ROWS)]).cast(kind)
    pq.write_table(table.append_column("own", cells), tmp_path / "m.parquet")
    given = replace(metadata, columns=replace(metadata.columns, depth="own"), depth_bytes=ROWS * 1_000)
    monkeypatch.setattr(candidates, "BUCKET_BYTES", ROWS * 1_000 // 3)
    monkeypatch.setattr(candidates, "READ_BYTES", 50 * 1_000)
    assert candidates._buckets(given) == 3
    assert max(piece.num_rows for piece in select_piece(PIECE, given, SELECT, 3)) < 51
    assert sample(given, tmp_path / "out", None, buckets=3) == set(table["URL"].to_pylist())
    planned = pa.concat_tables([pq.read_table(file) for file in (tmp_path / "out/_state/candidates").iterdir()])
    assert planned["given_depth"].type == pa.large_binary()
    for row in planned.to_pylist():
        number = row["caption"].removeprefix("picture ")
        assert row["given_depth"] == (None if number == "7" else f"maps/{number}.npy".encode())


def test_metadata_without_depth_makes_candidates_as_before(metadata, tmp_path):
    sample(metadata, tmp_path / "out", None)
    (file,) = (tmp_path / "out/_state/candidates").iterdir()
    assert pq.read_schema(file).names == CANDIDATE.names
