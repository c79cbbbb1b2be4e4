"""A local model is known by its weights and settings, not by its place."""

import shutil
from pathlib import Path

import pytest

from ldm3d.fingerprint import fingerprint_of_folder

FILES = ("config.json", "preprocessor_config.json", "model.safetensors", "pytorch_model.bin")


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(f"what is in {name}")
    return folder


def test_a_model_that_was_moved_is_the_same(model, tmp_path):
    before = fingerprint_of_folder(model)
    shutil.move(model, tmp_path / "elsewhere")
    assert fingerprint_of_folder(tmp_path / "elsewhere") == before
    assert before.startswith("sha256:")


@pytest.mark.parametrize("name", FILES)
def test_a_model_with_another_file_of_weights_or_settings_is_another(model, name):
    before = fingerprint_of_folder(model)
    (model / name).write_text("something else")
    changed = fingerprint_of_folder(model)
    (model / name).rename(model / f"other_{name}")
    assert len({before, changed, fingerprint_of_folder(model)}) == 3


def test_what_is_not_loaded_does_not_matter(model):
    before = fingerprint_of_folder(model)
    (model / "README.md").write_text("notes")
    (model / "runs").mkdir()
    (model / "runs/other.bin").write_text("checkpoints of somebody")
    assert fingerprint_of_folder(model) == before
