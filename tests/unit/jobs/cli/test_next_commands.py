"""The next command is one that the reader can type: with a checkout or without."""

import tomllib

from jobs.cli.next_commands import command
from ldm3d_on_ray.__main__ import PROGRAM
from tests import ROOT

FLAGS = {"input": "in", "output": "my runs/out"}


def test_a_checkout_calls_modules(monkeypatch):
    monkeypatch.setattr("sys.argv", ["jobs/generate.py"])
    assert command("evaluate", FLAGS) == "python -m jobs.evaluate --input in --output 'my runs/out'"


def test_an_installed_command_names_itself(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/ldm3d-on-ray generate"])
    assert command("evaluate", FLAGS) == "ldm3d-on-ray evaluate --input in --output 'my runs/out'"


def test_a_script_with_a_space_in_its_name_is_no_installed_command(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/home/me/my jobs/draw it.py"])
    assert command("evaluate", FLAGS).startswith("python -m jobs.evaluate ")


def test_the_name_of_the_installed_command_is_written_once():
    """The command tells the stages its name, so that they need no copy of it."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"] == PROGRAM
    copies = [file for file in (ROOT / "jobs").rglob("*.py") if f'"{PROGRAM}"' in file.read_text()]
    assert copies == []
