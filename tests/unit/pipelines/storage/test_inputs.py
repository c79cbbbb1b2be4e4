"""An input is finished, or the message says what it is instead."""

import pytest

from pipelines.storage.inputs import require_finished


def test_what_a_finished_stage_left_is_read(tmp_path):
    (tmp_path / "_SUCCESS.json").write_text('{"rows_kept": 3}')
    assert require_finished(str(tmp_path), "a corpus") == {"rows_kept": 3}


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
