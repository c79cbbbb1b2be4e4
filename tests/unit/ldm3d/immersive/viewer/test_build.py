"""The script of the page is what its sources give."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT

VIEWER = ROOT / "ldm3d" / "immersive" / "viewer"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on PATH: the viewer's script is not rebuilt")
def test_a_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "viewer"
    shutil.copytree(VIEWER, copy, ignore=shutil.ignore_patterns("dist", "node_modules", "__pycache__"))
    for command in (["npm", "ci"], ["npm", "run", "build"]):
        subprocess.run(command, cwd=copy, check=True, capture_output=True, timeout=300)
    for name in ("viewer.js", "three-license.txt"):
        assert (copy / "dist" / name).read_bytes() == (VIEWER / "dist" / name).read_bytes(), "run: make viewer"
