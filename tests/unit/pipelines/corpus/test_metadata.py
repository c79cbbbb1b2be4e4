"""The input is looked at before any work: all footers at once, and the file that is at fault is named."""

import threading
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import CorpusConfig, LabelConfig, SelectConfig, ShardConfig
from ldm3d.schema import IMAGE
from pipelines.corpus.metadata import read_input
from pipelines.storage.folder import Folder

FILES = 40


@pytest.fixture
def folder(tmp_path):
    """Files of 1, 2, 3 ... rows."""
    for number in range(FILES):
        rows = {"URL": ["u"] * (number + 1), "TEXT": ["t"] * (number + 1), "NSFW": ["UNLIKELY"] * (number + 1)}
        pq.write_table(pa.table(rows), tmp_path / f"{number:02d}.parquet")
    return tmp_path


def config(folder) -> CorpusConfig:
    return CorpusConfig(input=str(folder), output=str(folder / "out"))


def test_files_are_in_the_order_of_their_names_with_their_sizes_and_rows(folder):
    found = read_input(config(folder))
    assert found.files == [
        (f"{number:02d}.parquet", (folder / f"{number:02d}.parquet").stat().st_size, number + 1)
        for number in range(FILES)
    ]
    assert found.rows == FILES * (FILES + 1) // 2


def test_footers_are_read_many_at_a_time(folder, monkeypatch):
    together, read = threading.Barrier(8, timeout=20), Folder.parquet_file

    def parquet_file(self, name, **options):
        if not options:  # a footer alone
            together.wait()  # for seven others
        return read(self, name, **options)

    monkeypatch.setattr(Folder, "parquet_file", parquet_file)
    assert len(read_input(config(folder)).files) == FILES


def test_of_many_files_the_one_that_cannot_be_read_is_named(folder):
    (folder / "17.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"17\.parquet is not a readable parquet file"):
        read_input(config(folder))


def test_of_many_files_the_one_of_another_publisher_is_named(folder):
    pq.write_table(pa.table({"url": ["u"], "caption": ["c"]}), folder / "23.parquet")
    with pytest.raises(
        ValueError, match=r"23\.parquet provides \['url', 'caption'\], but 00\.parquet provides \['URL', "
    ):
        read_input(config(folder))


def test_a_stray_table_is_named(folder):
    pq.write_table(pa.table({"id": [1]}), folder / "23.parquet")
    with pytest.raises(ValueError, match=r"--input: 23\.parquet: no column of \['id'\] is known"):
        read_input(config(folder))


def write_with(folder, *names):
    """One row with more columns of these names."""
    rows = {"URL": "u", "TEXT": "t", "NSFW": "UNLIKELY"}
    columns = [pa.array([value]) for value in (*rows.values(), *names)]
    pq.write_table(pa.Table.from_arrays(columns, [*rows, *names]), folder / "m.parquet")


def test_a_column_that_is_there_twice_is_named(tmp_path):
    write_with(tmp_path, "TEXT")
    with pytest.raises(ValueError, match=r"--input: m\.parquet: the columns \['TEXT'\] .*more than once.*rename"):
        read_input(config(tmp_path))


def test_a_column_of_depth_that_is_there_twice_is_named(tmp_path):
    write_with(tmp_path, "own", "own")
    label = LabelConfig(column="own", predicts="depth")
    with pytest.raises(ValueError, match=r"the columns \['own'\] .*more than once"):
        read_input(replace(config(tmp_path), label=label))


def test_columns_that_nobody_reads_may_be_there_twice(tmp_path):
    write_with(tmp_path, "key", "key")
    assert read_input(config(tmp_path)).rows == 1


def write(folder, **columns):
    pq.write_table(pa.table({name: [value] for name, value in columns.items()}), folder / "m.parquet")


def test_an_nsfw_column_of_another_name_is_named_and_nobody_is_told_to_go_without(tmp_path):
    write(tmp_path, url="u", caption="c", nsfw="UNLIKELY", similarity=0.3)
    with pytest.raises(ValueError, match=r"nsfw may be one.*Add: --select\.nsfw-column nsfw$") as error:
        read_input(config(tmp_path))
    assert "--select.nsfw any" not in str(error.value)


def test_where_nothing_is_rated_the_policy_may_be_switched_off(tmp_path):
    write(tmp_path, url="u", caption="c")
    with pytest.raises(ValueError, match=r"--select\.nsfw any"):
        read_input(config(tmp_path))


def test_columns_that_are_passed_over_are_warned_of(tmp_path, caplog):
    write(tmp_path, URL="u", TEXT="c", NSFW="UNLIKELY", clip_score=0.3, LICENSE="?")
    read_input(config(tmp_path))
    assert "clip_score (for similarity)" in caplog.text
    assert "LICENSE" not in caplog.text


def test_a_column_that_nobody_reads_may_be_in_some_files_only(folder):
    rows = {"URL": ["u"], "TEXT": ["t"], "NSFW": ["UNLIKELY"], "LANGUAGE": ["de"], "__index_level_0__": [7]}
    pq.write_table(pa.table(rows), folder / "23.parquet")
    assert len(read_input(config(folder)).files) == FILES


def test_the_columns_that_are_read_are_told(tmp_path, caplog):
    write(tmp_path, Link="u", Description="c", licence="CC0", author="a")
    caplog.set_level("INFO")
    found = read_input(replace(config(tmp_path), select=SelectConfig(nsfw=("any",))))
    assert found.named == {"url": "Link", "caption": "Description"}
    assert "columns that are read: Link as url, Description as caption; left out: licence, author" in caplog.text


def test_re_laion_is_rated_by_its_score(tmp_path):
    write(tmp_path, url="u", caption="c", similarity=0.3, hash=1, pwatermark=0.1, punsafe=0.01)
    columns = read_input(config(tmp_path)).columns
    assert (columns.nsfw, columns.nsfw_is_score, columns.similarity) == ("punsafe", True, "similarity")


def own(folder, values: pa.Array, rows: int = 256, name: str = "m.parquet") -> CorpusConfig:
    """Settings of metadata with a column of depth."""
    count = len(values)
    table = pa.table({"URL": ["u"] * count, "TEXT": ["t"] * count, "NSFW": ["UNLIKELY"] * count, "own": values})
    pq.write_table(table, folder / name, use_dictionary=False, row_group_size=2)
    label = LabelConfig(column="own", predicts="depth")
    return replace(config(folder), label=label, shards=ShardConfig(rows=rows))


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), IMAGE, pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_a_column_of_depth_holds_files_or_their_paths(tmp_path, kind):
    found = read_input(own(tmp_path, pa.nulls(3, kind)))
    assert found.columns.depth == "own"
    assert found.columns.names()[-1] == "own"


@pytest.mark.parametrize("kind", [pa.float32(), pa.list_(pa.float32()), pa.struct([("path", pa.string())])], ids=str)
def test_a_column_of_anything_else_is_refused_by_its_type(tmp_path, kind):
    with pytest.raises(ValueError, match=r"--label\.column 'own' of .*m\.parquet is of type .*; wanted files"):
        read_input(own(tmp_path, pa.nulls(3, kind)))


def test_a_file_without_the_column_of_depth_is_named(folder):
    with pytest.raises(ValueError, match=r"'own' is not a column of 00\.parquet, which has \['URL', 'TEXT', 'NSFW'\]"):
        read_input(own(folder, pa.nulls(1, pa.string())))


def test_shards_whose_depth_would_not_fit_into_memory_are_refused_with_how_many_rows_do(tmp_path, monkeypatch):
    cells = pa.array([bytes(10_000)] * 10, pa.binary())
    monkeypatch.setattr("pipelines.corpus.metadata.SHARD_BYTES", 50_500)
    with pytest.raises(ValueError, match=r"--shards\.rows is 256, wanted at most 5: .*'own' takes 0\.0 MiB"):
        read_input(own(tmp_path, cells))
    assert 100_000 <= read_input(own(tmp_path, cells, rows=5)).depth_bytes < 101_000
