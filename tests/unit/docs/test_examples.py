"""The examples of README.md and docs/: Python runs on the toy's models, and stages take their commands.

What runs the commands is said in `test_commands.py`.

Each page is one reader, who types its examples one after another in a folder. The hub ids that they name are folders
there, so nothing is patched but the GPU.
"""

import shutil
from pathlib import Path

import pytest
import torch
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from ldm3d.config import ModelConfig
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.reject import Reason
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.schema import reject_rows
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.depth_model import tiny_depth_model
from pipelines.storage.folder import Folder
from tests import ROOT
from tests.builders.commands import config_of
from tests.builders.pages import commands_of, in_one_line

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = [page for page in PAGES if "```python" in page.read_text()]


STAGE = "python -m jobs."
COMMANDS = [
    (page.name, STAGE + in_one_line(command).partition(STAGE)[2])
    for page in PAGES
    for command in commands_of(page)
    if STAGE in command
]


@pytest.fixture(scope="module")
def world(toy_base, tmp_path_factory) -> Path:
    """A folder with all that the examples name."""
    root = tmp_path_factory.mktemp("reader")
    save_pipeline(root / "Intel/ldm3d", load_base(ModelConfig(base=str(toy_base))))
    tiny_depth_model(root / "Intel/dpt-large")
    corpus = Folder(str(root / "runs/corpus"))
    for split, seeds in (("train", range(6)), ("val", range(10, 13)), ("test", range(20, 22))):
        corpus.write_tables(f"rgbd/{split}/00000.parquet", [scene_rows(seeds, split, size=16)])
    rejects = reject_rows([1], "download", [Reason.TIMEOUT], ["10 s"], ["http://a.example/1.jpg"])
    Folder(str(root / "runs/mine/corpus")).write_tables("rejects/train/00000.parquet", [rejects])
    return root


def test_there_is_something_to_run_and_to_parse():
    assert {page.name for page in PYTHON} >= {"corpus.md", "generate.md"}
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.name)
def test_python_runs_as_it_stands(page, world, tmp_path, monkeypatch):
    reader = shutil.copytree(world, tmp_path / "reader")
    monkeypatch.chdir(reader)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    if not torch.cuda.is_available():
        monkeypatch.setattr(RgbdPipeline, "to", lambda pipeline, device: pipeline)
    examples = list(Sybil([PythonCodeBlockParser()]).parse(page))
    assert examples
    for example in examples:
        example.evaluate()  # what it raises names page and line


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_is_one_that_its_stage_takes(page, command, monkeypatch):
    config = config_of(command, monkeypatch)
    assert config.output if command.split()[2] != "jobs.serve" else config.model.model  # a service writes nothing
