"""`make demo` deletes what a demo wrote, and never anything else."""

import pytest

from jobs.demo.folder import MARKER, begin_afresh


def test_a_demo_starts_in_an_empty_folder_and_again_over_what_it_left(tmp_path):
    root = tmp_path / "runs/demo"
    for _ in range(2):
        begin_afresh(root)
        assert [file.name for file in root.iterdir()] == [MARKER]
        (root / "scenes").mkdir()
        (root / "scenes/left.parquet").write_text("")


def test_files_that_are_not_of_a_demo_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(ValueError, match="move them elsewhere"):
        begin_afresh(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "precious"


def test_an_empty_folder_is_nobodys(tmp_path):
    begin_afresh(tmp_path)
    assert (tmp_path / MARKER).exists()


def test_what_a_link_leads_to_stays(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("precious")
    begin_afresh(tmp_path / "demo")
    (tmp_path / "demo/link").symlink_to(tmp_path / "data")
    begin_afresh(tmp_path / "demo")
    assert not (tmp_path / "demo/link").exists()
    assert (tmp_path / "data/file").exists()
