"""Processes of a test's own file, as the workers of a process group are."""

import os
import subprocess
import sys
from pathlib import Path

from tests import ROOT


def run_workers(script: str, folder: Path, count: int) -> None:
    """`script <rank> <folder>` so many times at once, to their end. Raises AssertionError where one fails."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""}
    started = [subprocess.Popen([sys.executable, script, str(rank), str(folder)], env=env) for rank in range(count)]
    try:
        assert [process.wait(timeout=120) for process in started] == [0] * count
    finally:
        for process in started:
            process.kill()
