"""An output is continued only with what it was begun with, and keeps the version of the code that made it."""

import re
import shutil
import subprocess

import pytest

from pipelines.corpus.depth_model import check_same_model
from pipelines.storage import run
from pipelines.storage.folder import Folder
from pipelines.storage.run import check_apart, check_output, own_marker, save_config
from tests import ROOT

LABELS = {"depth_model": "Intel/dpt-large", "depth_model_revision": "bc15f29", "depth_inverted_from_metric": False}


@pytest.fixture
def output(tmp_path) -> Folder:
    folder = Folder(str(tmp_path))
    save_config(folder, {}, {}, {"labels": LABELS})
    return folder


def test_a_folder_with_a_configuration_of_others_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": []}')
    with pytest.raises(ValueError, match=r"--output .*config\.json.*give an empty folder"):
        check_output(Folder(str(tmp_path)), {})


def test_the_output_of_another_stage_is_named(tmp_path):
    folder = Folder(str(tmp_path))
    save_config(folder, {"stage": "encode_latents", "flips": False}, {})
    with pytest.raises(ValueError, match=r"was made by encode_latents; give another output$"):
        check_output(folder, {"stage": "train_diffusion"})


@pytest.mark.parametrize(("given", "made"), [("/a/b", "/a"), ("/a", "/a/b"), ("/a", "/a"), ("s3://a/b", "s3://a")])
def test_input_and_output_that_overlap_are_refused(given, made):
    with pytest.raises(ValueError, match="overlap; give separate folders"):
        check_apart(given, made)
    check_apart("/a/b", "/a/bc")


def test_a_link_or_dots_do_not_hide_that_folders_overlap(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    for given, made in (("data", "link/out"), ("data", "../" + tmp_path.name + "/data/out"), ("link", "data")):
        with pytest.raises(ValueError, match="overlap; give separate folders"):
            check_apart(Folder(given).url, Folder(made).url)
    check_apart(Folder("data").url, Folder("link/../out").url)


def test_looking_leaves_folders_as_they_were(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o2770)
    before = mine.stat()
    for output in (mine, tmp_path / "a/b/c"):
        assert check_output(Folder(str(output)), {}) is False
    assert (mine.stat().st_ino, mine.stat().st_mode) == (before.st_ino, before.st_mode)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]
    assert not list(mine.iterdir())


def test_what_is_not_ours_is_seen_whatever_its_name(tmp_path):
    (tmp_path / "notes.tmp").write_text("precious")
    with pytest.raises(ValueError, match=r"--output .* holds other files"):
        check_output(Folder(str(tmp_path)), {})
    (tmp_path / "notes.tmp").rename(tmp_path / f".notes.{'a' * 32}.tmp")  # as a killed writer of ours leaves one
    assert check_output(Folder(str(tmp_path)), {}) is False


def test_a_damaged_configuration_is_refused_and_a_damaged_marker_is_none(tmp_path, caplog):
    folder = Folder(str(tmp_path))
    folder.write("config.json", b"{")
    with pytest.raises(ValueError, match=r"--output: .*config\.json is damaged"):
        check_output(folder, {})
    folder.write("_SUCCESS.json", b"")
    assert own_marker(folder) is None
    assert "_SUCCESS.json is damaged" in caplog.text


def test_the_same_commit_by_another_name_is_the_same_model(output):
    check_same_model(output, LABELS | {"depth_model": "/models/dpt-large"})


def test_an_output_of_a_version_that_stated_less_of_its_model_is_taken_up(output):
    check_same_model(output, LABELS | {"depth_model_licence": "apache-2.0"})


def test_another_commit_of_a_hub_is_refused_with_both(output):
    with pytest.raises(ValueError, match=r'depth_model_revision was "bc15f29", is "0000000"\. .*--label\.revision'):
        check_same_model(output, LABELS | {"depth_model_revision": "0000000"})


def test_the_code_version_is_that_of_this_repository():
    """A version of another folder would not change with the code: it stands in the provenance of every row."""
    assert (run.ROOT / "pipelines/storage/run.py").samefile(run.__file__)
    described = subprocess.check_output(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True).strip()
    assert run.code_version() == described


def test_without_git_the_code_version_changes_with_any_source_file(tmp_path, monkeypatch):
    for room in ("ldm3d", "pipelines", "jobs"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(run, "ROOT", tmp_path)
    before = run.code_version()
    assert re.fullmatch(r"sources:[0-9a-f]{16}", before)
    for file in ("ldm3d/rgbd.py", "pipelines/training/loop.py", "jobs/demo/__main__.py"):
        (tmp_path / file).write_text((tmp_path / file).read_text() + "# changed\n")
        assert run.code_version() != before
        before = run.code_version()
