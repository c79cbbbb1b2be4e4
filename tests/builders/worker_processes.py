"""Runs a test's own file as the worker processes of a process group."""

import os
import subprocess
import sys
from pathlib import Path

from tests import ROOT


def run_workers(script: str, folder: Path, count: int) -> None:
    """Run `script <rank> <folder>` for `count` ranks at once, and wait. Raises AssertionError if one fails."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""}
    started = [subprocess.Popen([sys.executable, script, str(rank), str(folder)], env=env) for rank in range(count)]
    try:
        assert [process.wait(timeout=120) for process in started] == [0] * count
    finally:
        for process in started:
            process.kill()
