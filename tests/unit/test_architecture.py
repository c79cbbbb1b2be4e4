"""Imports go one way: ldm3d <- pipelines <- jobs, and ldm3d knows nothing of Ray."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {"ldm3d": {"ray", "pipelines", "jobs"}, "pipelines": {"jobs"}}


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_import_downwards_only(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    assert {str(file): bad for file in files if (bad := imported(file) & FORBIDDEN[room])} == {}


def test_importing_the_library_loads_neither_ray_nor_the_heavy_packages():
    modules = sorted(
        str(file.relative_to(ROOT)).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for file in (ROOT / "ldm3d").rglob("*.py")
        if "toy" not in file.parts
    )
    heavy = ("ray", "img2dataset", "transformers", "imagecodecs")
    code = f"import sys, {', '.join(modules)}; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert loaded.strip() == "[]"
