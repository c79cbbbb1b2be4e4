"""Command lines of docs and manifests, parsed as their own entry points would."""

import runpy
import shlex
from typing import Any

from jobs.command import parse


def config_of(command: str, monkeypatch) -> Any:
    """What a command line asks for, parsed as its own entry point would; nothing runs.

    Raises:
        SystemExit: the entry point does not take it.
    """
    python, m, module, *arguments = shlex.split(command, comments=True)
    assert (python, m) == ("python", "-m")
    called = []
    monkeypatch.setattr("jobs.command.run", lambda stage, config_class, about: called.append(config_class))
    runpy.run_module(module, run_name="__main__")
    return parse(called[0], arguments).config
