"""What is sent with a submitted job: the code alone, far below what Ray takes, whatever lies in the checkout."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE, get_runtime_env_default_excludes
from ray._private.runtime_env.packaging import create_package

from tests import ROOT
from tests.builders.pages import commands_of, in_one_line

CODE = {"benchmarks", "jobs", "ldm3d", "pipelines"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def packed(checkout: Path, package: Path) -> set[str]:
    """Pack a checkout as `ray job submit --working-dir` does. Returns the files in the package."""
    create_package(str(checkout), package, include_gitignore=True, excludes=get_runtime_env_default_excludes())
    return set(zipfile.ZipFile(package).namelist())


def local_outputs() -> set[str]:
    """Every local `--output` of the commands in README.md and docs/, relative to the checkout."""
    commands = [in_one_line(command) for page in PAGES for command in commands_of(page)]
    outputs = re.findall(r"--output (\S+)", "\n".join(commands))
    return {output.removeprefix("$PWD/") for output in outputs if "://" not in output}


def test_the_code_is_sent_and_stays_far_below_the_limit(tmp_path):
    names = packed(ROOT, tmp_path / "code.zip")
    assert {name.partition("/")[0] for name in names} == CODE
    assert {str(file.relative_to(ROOT)) for room in CODE for file in (ROOT / room).rglob("*.py")} <= names
    assert (tmp_path / "code.zip").stat().st_size < DASHBOARD_CLIENT_MAX_SIZE / 10


def test_no_output_is_sent_wherever_it_lies(tmp_path):
    checkout = tmp_path / "checkout"
    for name in (*local_outputs(), "my-corpus", ".cache", "ldm3d", ".git"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "file").touch()
    for name in (".gitignore", ".rayignore"):
        shutil.copy(ROOT / name, checkout)
    assert packed(checkout, tmp_path / "code.zip") == {"ldm3d/file"}


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_git_ignores_every_output_that_the_docs_name(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    outputs = local_outputs()
    asked = subprocess.run(["git", "check-ignore", *outputs], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert set(asked.stdout.split()) == outputs >= {"runs/corpus", "runs/pictures", "runs/evaluation"}
