"""The next command is one that the reader can type: with a checkout or without."""

from jobs.cli.next_commands import command

FLAGS = {"input": "in", "output": "my runs/out"}


def test_a_checkout_calls_modules(monkeypatch):
    monkeypatch.setattr("sys.argv", ["jobs/generate.py"])
    assert command("evaluate", FLAGS) == "python -m jobs.evaluate --input in --output 'my runs/out'"


def test_an_installed_command_names_itself(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/ldm3d-on-ray generate"])
    assert command("evaluate", FLAGS) == "ldm3d-on-ray evaluate --input in --output 'my runs/out'"
