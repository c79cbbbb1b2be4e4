"""What keeps the demo from starting ends in one line and exit code 2, as in every other job."""

import os
import subprocess
import sys

import pytest

from tests import ROOT


@pytest.mark.parametrize("flags", [[], ["--models"]])
def test_a_folder_of_somebody_else_is_refused_in_one_line(tmp_path, flags):
    (tmp_path / "runs/demo").mkdir(parents=True)
    (tmp_path / "runs/demo/notes.txt").write_text("precious")
    command = [sys.executable, "-m", "jobs.demo", *flags]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    refused = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("error: runs/demo holds files, but no _DEMO.txt")
    assert "Traceback" not in refused.stderr
