"""A wheel of this checkout, installed: what it adds to a Python, and its one command, from another folder."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldm3d_on_ray.__main__ import STAGES
from tests import ROOT

ROOMS = ("ldm3d", "ldm3d_on_ray", "jobs", "pipelines")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def sources(room: Path) -> set[str]:
    return {str(file.relative_to(room)) for file in room.rglob("*.py")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder of an installation, without its dependencies. A copy is built, as a build leaves files behind."""
    root = tmp_path_factory.mktemp("installed")
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / "checkout" / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, root / "checkout")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    build = ["wheel", *offline, "--no-build-isolation", "--wheel-dir", root, root / "checkout"]
    subprocess.run([*pip, *build], check=True, cwd=root)
    (wheel,) = root.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", root / "site", wheel], check=True, cwd=root)
    return root / "site"


def call(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command, from another folder and with nothing of the checkout on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, installed / "bin/ldm3d-on-ray", *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )


def test_it_adds_only_names_that_are_ours_and_all_of_the_code(installed):
    names = {each.name for each in installed.iterdir() if not each.name.endswith(".dist-info")}
    assert names == {"bin", "ldm3d", "ldm3d_on_ray"}
    for room, place in (("ldm3d", "ldm3d"), ("jobs", "ldm3d_on_ray/_code/jobs")):
        assert sources(installed / place) == sources(ROOT / room)
    assert sources(installed / "ldm3d_on_ray/_code/pipelines") == sources(ROOT / "pipelines")
    assert (installed / "ldm3d/py.typed").exists()
    pages = [place / "pipelines/serving/page" for place in (ROOT, installed / "ldm3d_on_ray/_code")]
    ours, theirs = [{file.name: file.read_bytes() for file in page.iterdir()} for page in pages]
    assert ours == theirs
    (about,) = importlib.metadata.distributions(path=[str(installed)])
    assert {"datasets", "dev", "immersive", "mlflow", "serve", "toy"} == set(about.metadata.get_all("Provides-Extra"))
    assert [each.name for each in about.entry_points] == ["ldm3d-on-ray"]


def test_help_names_every_stage_with_what_it_does_at_once(installed, tmp_path):
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        shown = call(installed, tmp_path, "--help")
        seconds.append(time.monotonic() - began)
    assert shown.returncode == 0
    assert min(seconds) < 0.5
    lines = {words[0]: words[1] for line in shown.stdout.splitlines() if len(words := line.split(maxsplit=1)) == 2}
    assert set(STAGES) <= lines.keys()
    assert lines["generate"].startswith("Draw pictures with depth")


def test_every_entry_point_is_a_stage_of_the_command():
    entries = {file.stem for file in (ROOT / "jobs").glob("*.py")} - {"__init__", "command"}
    assert entries | {file.parent.name for file in (ROOT / "jobs").glob("*/__main__.py")} == set(STAGES)


@pytest.mark.parametrize("stage", ["rebuild_corpus", "rebuild-corpus"])
def test_a_stage_tells_its_flags_under_the_name_that_was_typed(installed, tmp_path, stage):
    shown = call(installed, tmp_path, stage, "--help")
    assert shown.returncode == 0
    assert "usage: ldm3d-on-ray rebuild_corpus" in shown.stdout
    assert "ldm3d-on-ray rebuild_corpus --preset ldm3d --input" in shown.stdout
    assert "python -m" not in shown.stdout
    assert "--working-dir" not in shown.stdout


def test_the_demo_tells_how_to_make_the_toys_networks_alone(installed, tmp_path):
    shown = call(installed, tmp_path, "demo", "--help")
    assert shown.returncode == 0
    assert "usage: ldm3d-on-ray demo [-h] [--models]" in shown.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "usage: ldm3d-on-ray STAGE"),
        (["trane_diffusion"], "did you mean train_diffusion?"),
        (["generate", "--no-such-flag"], "ldm3d-on-ray generate --help"),
        (["generate", "--prompt", "a", "--output", "s3://pictures"], "is not a local folder"),
        (["train_diffusion", "--input", "a", "--output", "b", "--loop.max-steps", "0"], "--loop.max-steps is 0"),
    ],
)
def test_what_is_refused_ends_with_2_and_leaves_nothing(installed, tmp_path, words, told):
    refused = call(installed, tmp_path, *words)
    assert refused.returncode == 2
    assert told in refused.stderr + refused.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_that_of_the_wheel(installed, tmp_path):
    assert call(installed, tmp_path, "--version").stdout == "ldm3d-on-ray 0.1.0\n"


def test_workers_and_other_clusters_get_the_installed_code(installed, tmp_path):
    """Of a cluster that runs already, workers have none of it: it goes with the job."""
    code = (
        "import sys; sys.argv = ['', 'export', '--help']\n"
        "from ldm3d_on_ray.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "import os; from pipelines.workers.session import code_to_send\n"
        "print(os.environ['PYTHONPATH'].split(os.pathsep)[0]); print(*code_to_send()['py_modules'])"
    )
    environment = os.environ | {"PYTHONPATH": str(installed)}
    shown = subprocess.check_output([sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, text=True)
    here = installed / "ldm3d_on_ray/_code"
    assert shown.splitlines()[-2:] == [str(here), f"{here}/pipelines {installed}/ldm3d"]


def test_a_checkout_sends_no_code_of_its_own():
    from pipelines.workers.session import code_to_send

    assert code_to_send() is None
    shown = subprocess.check_output([sys.executable, "-m", "ldm3d_on_ray", "--help"], cwd=ROOT, text=True)
    assert "rebuild_corpus" in shown
