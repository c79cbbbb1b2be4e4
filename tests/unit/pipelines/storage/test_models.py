"""The step that a model is of is found beside it, or not at all."""

import json

import pytest

from pipelines.storage.folder import Folder
from pipelines.storage.models import training_step_of, write_training_step


def test_an_export_says_its_step(tmp_path):
    write_training_step(Folder(str(tmp_path)), 400)
    assert training_step_of(str(tmp_path)) == 400


def test_the_model_of_a_training_is_of_its_last_step(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "_SUCCESS.json").write_text(json.dumps({"steps": 900, "finished": True}))
    assert training_step_of(f"{tmp_path}/model/") == 900


def test_what_nothing_says_is_not_known(tmp_path):
    for name in ("model", "other"):
        (tmp_path / name).mkdir()
        assert training_step_of(str(tmp_path / name)) is None
    (tmp_path / "_SUCCESS.json").write_text(json.dumps({"steps": 900}))
    assert training_step_of(str(tmp_path / "other")) is None
    (tmp_path / "_SUCCESS.json").write_text(json.dumps({"rows_kept": 900}))  # of another stage
    assert training_step_of(str(tmp_path / "model")) is None
    assert training_step_of("CompVis/stable-diffusion-v1-4") is None


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(ValueError, match=r"model\.model .*training\.json is damaged"):
        training_step_of(str(tmp_path))
