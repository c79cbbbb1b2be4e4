"""A folder on a disk: whole files or none, errors that name the file, parquet as it was asked for."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.storage.folder import Folder, is_damage
from pipelines.storage.store import S3_OPTIONS
from tests import ROOT


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(str(tmp_path / "corpus"))


def files(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def test_what_was_written_is_read_back_and_leaves_nothing_beside_it(folder, tmp_path):
    folder.write("a/b.json", b"old")
    folder.write("a/b.json", b"new")
    assert folder.read("a/b.json") == b"new"
    assert files(tmp_path) == ["corpus/a/b.json"]


def test_a_reader_sees_a_whole_file_at_every_moment(folder):
    versions = [bytes([n]) * 300_000 for n in range(10)]
    folder.write("file", versions[0])
    done, seen = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            seen.append((folder.read("file"), folder.sizes("", "file")))

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions * 20:
        folder.write("file", version)
    done.set()
    reader.join()
    assert {content for content, _ in seen} <= set(versions)
    assert all(sizes == {"file": 300_000} for _, sizes in seen)
    assert len({content for content, _ in seen}) > 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder, tmp_path):
    folder.write("a/b", b"old")
    with pytest.raises(OSError, match=r"a directory|not empty"):
        folder.write("a", b"a file where a folder is")
    with pytest.raises(OSError, match="a/b"):
        folder.write("a/b/c", b"a folder where a file is")
    with pytest.raises(ValueError, match="no table"):
        folder.write_tables("a/b", [])
    with pytest.raises(ValueError, match="schema"):
        folder.write_tables("a/b", [pa.table({"x": [1]}), pa.table({"y": [1]})])
    assert files(tmp_path) == ["corpus/a/b"]
    assert folder.read("a/b") == b"old"


def test_a_file_that_others_write_is_put_in_place_when_it_is_whole(folder, tmp_path):
    folder.write("a", b"old")
    with folder.place("a") as path:
        path.write_bytes(b"new")
        assert folder.read("a") == b"old"
    assert folder.read("a") == b"new"
    with pytest.raises(TypeError), folder.place("a") as path:
        path.write_text(b"not text")  # opens it, and fails
    assert folder.read("a") == b"new"
    assert files(tmp_path) == ["corpus/a"]


def test_a_missing_file_is_an_error_that_names_it(folder):
    for read in (folder.read, folder.read_table, lambda name: folder.read_many([name])):
        with pytest.raises(FileNotFoundError) as caught:
            read("a/none")
        assert f"{folder.url}/a/none" in caught.value.__notes__


def test_damage_in_a_parquet_file_is_told_from_a_store_that_fails(folder):
    folder.write_tables("a/t.parquet", [pa.table({"x": [f"{n:0512}" for n in range(512)]})], use_dictionary=False)
    content = folder.read("a/t.parquet")
    folder.write("a/t.parquet", content[:4] + bytes(512) + content[516:])
    folder.write("a/cut.parquet", content[:-1])
    reads = {
        "a/t.parquet": [folder.read_table, lambda name: list(folder.read_batches(name, ["x"], 100))],
        "a/cut.parquet": [folder.parquet_file],
        "a/none.parquet": [folder.read_table],
    }
    for name, ways in reads.items():
        for read in ways:
            with pytest.raises((OSError, pa.ArrowInvalid)) as caught:
                read(name)
            assert caught.value.__notes__ == [f"{folder.url}/{name}"]
            assert is_damage(caught.value) == (name != "a/none.parquet")


def test_many_files_come_in_the_order_of_their_names(folder):
    names = [f"{n % 3}/{n}" for n in range(100)]
    for name in names:
        folder.write(name, name.encode())
    names = names[::-1] + names[:1]
    assert folder.read_many(names) == [name.encode() for name in names]
    assert folder.read_many([]) == []


def test_sizes_are_those_of_the_files_below_by_relative_path(folder):
    assert folder.sizes() == {}
    for name, size in {"a/b.parquet": 3, "a/c/d.parquet": 5, "a/c/d.json": 7, "ab/e.parquet": 11}.items():
        folder.write(name, bytes(size))
    assert folder.sizes("a", ".parquet") == {"a/b.parquet": 3, "a/c/d.parquet": 5}
    assert folder.sizes("none") == {}
    assert set(folder.sizes()) == {"a/b.parquet", "a/c/d.parquet", "a/c/d.json", "ab/e.parquet"}
    assert sum(folder.sizes().values()) == 26


def test_a_single_file_is_a_folder_of_itself(folder, tmp_path):
    folder.write_tables("m.parquet", [pa.table({"x": [1]})])
    file = Folder(str(tmp_path / "corpus/m.parquet"))
    assert (file.exists(), file.is_file()) == (True, True)
    assert file.sizes() == {"": (tmp_path / "corpus/m.parquet").stat().st_size}
    assert file.read_table("").to_pydict() == {"x": [1]}


def test_existence_is_of_files_and_folders(folder):
    assert not folder.exists()
    folder.write("a/b", b"")
    assert [folder.exists(name) for name in ("", "a", "a/b", "a/c", "a/b/c")] == [True, True, True, False, False]
    assert [folder.is_file(name) for name in ("", "a", "a/b", "a/c", "a/b/c")] == [False, False, True, False, False]


def test_deleting_takes_one_file_or_all_below_a_folder_and_nothing_else(folder):
    for name in ("a/b", "a/c/d", "a/bc", "ab/e"):
        folder.write(name, b"")
    folder.delete("none")
    folder.delete("a/b")
    assert set(folder.sizes()) == {"a/c/d", "a/bc", "ab/e"}
    folder.delete("a")
    assert set(folder.sizes()) == {"ab/e"}
    assert not folder.exists("a")


@pytest.mark.parametrize("name", ["a b", "c+d%20é", "m[1]", "a*b?", "x=1,y", "#z", "-", ".hidden", "~"])
def test_names_are_taken_as_they_are(tmp_path, name):
    folder = Folder(str(tmp_path / name))
    folder.write("innocent", b"innocent")
    folder.write(f"{name}/{name}", b"found")
    assert folder.read_many([f"{name}/{name}", "innocent"]) == [b"found", b"innocent"]
    assert folder.sizes(name) == {f"{name}/{name}": 5}
    folder.delete(f"{name}/{name}")
    assert files(tmp_path) == [f"{name}/innocent"]


def test_every_way_to_write_a_folder_means_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("corpus", "./corpus", "corpus/", f"{tmp_path}/corpus", f"file://{tmp_path}/corpus/"):
        assert Folder(url).url == str(tmp_path / "corpus")


def test_its_url_means_the_same_folder_to_a_process_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = Folder("corpus").url
    code = f"from pipelines.storage.folder import Folder; Folder({url!r}).write('a', b'theirs')"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd="/", env=environment, check=True)
    assert Folder("corpus").read("a") == b"theirs"


def test_a_protocol_without_its_package_or_that_nobody_knows_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as if it was not installed
    with pytest.raises(ValueError, match=r"'gs://bucket/a': no package for gs:// is installed.*gcsfs") as caught:
        Folder("gs://bucket/a")
    assert type(caught.value) is ValueError
    with pytest.raises(ValueError, match=r"'gss://bucket/a': Protocol not known: gss; wanted a path"):
        Folder("gss://bucket/a")


def test_tables_become_row_groups_and_options_reach_the_writer(folder, tmp_path):
    tables = [pa.table({"x": range(n)}, pa.schema([("x", pa.int64())], {"contract": "c/v1"})) for n in (3, 1, 2)]
    size = folder.write_tables("t.parquet", iter(tables), compression="snappy")
    assert size == (tmp_path / "corpus/t.parquet").stat().st_size
    footer = pq.read_metadata(tmp_path / "corpus/t.parquet")
    assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == [3, 1, 2]
    assert footer.row_group(0).column(0).compression == "SNAPPY"
    assert folder.read_table("t.parquet") == pa.concat_tables(tables)
    assert folder.read_table("t.parquet", row_group=2) == tables[2]
    assert folder.read_table("t.parquet").schema.metadata == {b"contract": b"c/v1"}


def test_a_table_without_rows_keeps_its_schema(folder):
    folder.write_tables("t.parquet", [pa.table({"x": pa.array([], pa.int16())})])
    assert folder.read_table("t.parquet").schema.field("x").type == pa.int16()


def test_an_empty_path_is_refused():
    """As of a variable that is not set; else it would be the folder that one happens to be in."""
    with pytest.raises(ValueError, match="an empty path was given"):
        Folder("")


def test_what_the_user_sets_for_s3_stands_beside_our_options(monkeypatch):
    client = {"s3": {"addressing_style": "virtual"}, "signature_version": "s3v4", "max_pool_connections": 7}
    mine = {"config_kwargs": client, "key": "a", "secret": "b", "default_cache_type": "readahead"}
    monkeypatch.setitem(fsspec.config.conf, "s3", mine)
    fs = Folder("s3://bucket/corpus").fs
    assert fs.config_kwargs == client | {"retries": S3_OPTIONS["config_kwargs"]["retries"]}
    assert (fs.key, fs.default_cache_type, fs.max_concurrency) == ("a", "readahead", S3_OPTIONS["max_concurrency"])


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_bit_that_flips_in_a_column_is_damage_and_not_another_value(folder, tmp_path, compression):
    noise = random.Random(0)
    values = pa.table({"depth": [noise.randbytes(1_000) for _ in range(50)]})
    folder.write_tables("a.parquet", [values], compression=compression, use_dictionary=False)
    assert folder.read_table("a.parquet") == values
    file = tmp_path / "corpus/a.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    with pytest.raises(OSError, match=r"(?i)crc|checksum|corrupt") as caught:
        folder.read_table("a.parquet")
    assert is_damage(caught.value)
