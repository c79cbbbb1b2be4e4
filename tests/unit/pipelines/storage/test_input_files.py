"""One rule says which files in a folder are data, and the log says what was skipped."""

import errno
import logging
import os
from pathlib import Path

import pytest

from pipelines.storage.folder import Folder
from pipelines.storage.input_files import input_files

DATA = ("b.parquet", "part/A.PARQUET", "_c.parquet")
HIDDEN = (".ipynb_checkpoints/b.parquet", "._b.parquet", "_temporary/0/b.parquet", "part/.trash/b.parquet")


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    return root


def found(root: Path, *choices: tuple[str, ...]) -> dict[str, int]:
    return input_files(Folder(str(root)), "--input", *(choices or [(".parquet",)]))


def test_hidden_and_unfinished_files_are_not_data_and_are_named(tmp_path, caplog):
    write(tmp_path, *DATA, *HIDDEN)
    assert found(tmp_path) == dict.fromkeys(sorted(DATA), 5)
    assert "(4, ._b.parquet first)" in caplog.text


def test_files_with_other_endings_are_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write(tmp_path, "a.png", "b.PNG", "c.bmp", "d.bmp", "notes")
    assert list(found(tmp_path, (".parquet",), (".png", ".jpg"))) == ["a.png", "b.PNG"]
    assert "2 .bmp, 1 without an extension" in caplog.text


def test_linked_folders_are_read_once_and_links_in_a_circle_end(tmp_path):
    root = write(tmp_path / "set", "a.parquet", "here/b.parquet")
    write(tmp_path / "disk", "c.parquet")
    (root / "more").symlink_to(tmp_path / "disk")
    (root / "here/up").symlink_to(root)
    (root / "again").symlink_to(root / "here")
    assert sorted(Path(name).name for name in found(root)) == ["a.parquet", "b.parquet", "c.parquet"]


def test_a_link_that_leads_nowhere_is_an_error_that_names_it_if_it_would_be_data(tmp_path):
    (write(tmp_path, "a.parquet") / ".#notes.txt").symlink_to("nobody@nowhere")  # as editors lock a file
    assert list(found(tmp_path)) == ["a.parquet"]
    (tmp_path / "b.parquet").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"b\.parquet"):
        found(tmp_path)


def test_a_link_does_not_rename_what_is_there_anyway(tmp_path):
    (write(tmp_path, "run3/x.parquet") / "latest").symlink_to("run3")
    assert list(found(tmp_path)) == ["run3/x.parquet"]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    write(tmp_path, "a.parquet", "sub/b.parquet")
    scandir = os.scandir

    def stale(path):
        if str(path).endswith("sub"):
            raise OSError(errno.ESTALE, "stale", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", stale)
    with pytest.raises(OSError, match="stale"):
        found(tmp_path)


def test_an_object_store_has_the_same_rule():
    store = Folder("memory://input-files")
    for name in (*DATA, *HIDDEN):
        store.write(name, b"12345")
    assert input_files(store, "--input", (".parquet",)) == dict.fromkeys(sorted(DATA), 5)
