"""An input is finished, or the message says what it is instead."""

import pytest

from pipelines.storage.inputs import require_finished


def test_what_a_finished_stage_left_is_read(tmp_path):
    (tmp_path / "_SUCCESS.json").write_text('{"rows_kept": 3}')
    assert require_finished(str(tmp_path), "a corpus") == {"rows_kept": 3}


def test_an_output_of_another_stage_is_refused_by_its_name(tmp_path):
    (tmp_path / "_SUCCESS.json").write_text("{}")
    assert require_finished(str(tmp_path), "a corpus", ("rebuild_corpus",)) == {}  # an old one says nothing
    (tmp_path / "config.json").write_text('{"identity": {"stage": "train_autoencoder"}}')
    with pytest.raises(ValueError, match="is the output of `train_autoencoder`: give a corpus"):
        require_finished(str(tmp_path), "a corpus", ("rebuild_corpus",))
    assert require_finished(str(tmp_path), "anything") == {}


def test_a_file_is_said_to_be_one(tmp_path):
    (tmp_path / "mine.csv").write_text("url,caption")
    with pytest.raises(ValueError, match=r"mine\.csv' is a file: give a corpus"):
        require_finished(str(tmp_path / "mine.csv"), "a corpus")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": "{}"}, "is not finished"),
        ({"notes.txt": ""}, "--input .*: give a corpus"),
        ({"_SUCCESS.json": "{"}, r"--input: .*_SUCCESS\.json is damaged"),
        ({"_SUCCESS.json": "[]x"}, "is damaged"),
        (None, "does not exist: give a corpus"),
    ],
)
def test_anything_else_is_refused_for_what_it_is(tmp_path, files, message):
    folder = tmp_path / "input"
    for name, content in (files or {}).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        require_finished(str(folder), "a corpus")
