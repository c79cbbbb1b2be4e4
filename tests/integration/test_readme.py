"""A reader of README.md and of the quickstart types every command, one after another, and gets what the pages show.

bash gets the commands as they stand there, in a checkout with a table of pictures. Two things are not the reader's:
the networks of `make toy-models` are narrow and untrained, as theirs take minutes; and only trainings start their own
cluster. The other commands share that of the tests, whose GPU is one that no training could use.
"""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from jobs.demo.folder import claim
from ldm3d.toy import diffusion_model
from ldm3d.toy.clip_model import train_clip_model
from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.metric_depth_model import train_metric_depth_model
from ldm3d.toy.scenes import Scene, render
from tests import ROOT
from tests.builders.pages import blocks_of, words_of

Done = subprocess.CompletedProcess[str]

CHECKOUT = ("Makefile", "constraints.txt", "jobs", "ldm3d", "pipelines", "pyproject.toml")
PICTURES = 36  # of which 32 go to training: a batch of the U-Net
QUICKSTART = ROOT / "docs/quickstart.md"
(_, (FIRST, *FIVE)), (ENTER, CORPUS, TRAININGS, PICTURE, *_) = blocks_of(ROOT / "README.md"), blocks_of(QUICKSTART)
LAST = ("--dry-run", "--prompt", "jobs.evaluate")  # what nothing follows

pytestmark = pytest.mark.timeout(1_200)  # for eight commands, on a machine that has other work


def meaning(command: str) -> tuple[str, ...]:
    """Equal for commands that do the same. It makes no difference in which order flags come, what the prompt is, and
    whether a model is named by the training whose output it is in."""
    words = words_of(command)
    if "--prompt" in words:
        words[words.index("--prompt") + 1] = "a prompt"
    return tuple(sorted(word.removesuffix("/model") for word in words))


def ending_of(done: Done) -> tuple[list[str], list[str]]:
    """The files to look at, and the next commands."""
    _, _, ending = done.stderr.partition("\nlook at ")
    look_at, _, then = ending.partition("\nnext ")
    return [line.split()[0] for line in look_at.splitlines() if line], re.findall(r"python -m jobs\..*", then)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A checkout with the networks of `make toy-models`, `mine.csv`, and the pictures that it names."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in CHECKOUT:
        (folder / name).symlink_to(ROOT / name)
    claim(folder / "runs/demo")
    models = folder / "runs/demo/models"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(diffusion_model.AUTOENCODER, "block_out_channels", (8, 16, 16))
        patch.setitem(diffusion_model.UNET, "block_out_channels", (16, 32))
        diffusion_model.make_base_model(models / "base")
    tiny_depth_model(models / "depth")
    train_metric_depth_model(models / "metric_depth", steps=1)
    train_clip_model(models / "clip", steps=1)
    (folder / "pictures").mkdir()
    with (folder / "mine.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["url", "caption"])
        for seed in range(PICTURES):
            scene, name = Scene.from_seed(seed), f"pictures/{seed:02d}.png"
            Image.fromarray(render(scene, 64).image).save(folder / name)
            table.writerow([name, scene.caption])
    return folder


@pytest.fixture(scope="module")
def bash(checkout, cluster) -> Callable[..., Done]:
    """Type something in the checkout. An AssertionError tells what failed."""
    ours = ("PYTHONPATH", "RAY_API_SERVER_ADDRESS")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    # The environment that `make` finds is that of these tests, wherever it lies, and has been made.
    environment |= {"MAKEFLAGS": f"VENV={sys.prefix} READY={checkout}/mine.csv", "MAKELEVEL": "0"}

    def run(typed: str, path: str) -> Done:
        address = "local" if "jobs.train_" in typed else cluster
        settings = environment | {"PATH": path, "RAY_ADDRESS": address}
        done = subprocess.run(["bash", "-c", typed], cwd=checkout, env=settings, capture_output=True, text=True)
        assert done.returncode == 0, f"{typed}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="module")
def path(bash) -> str:
    """What PATH is in the environment, when its page says how to enter it and make the networks."""
    ours = Path(sys.executable).parent
    outside = os.pathsep.join(folder for folder in os.get_exec_path() if Path(folder) != ours)
    said = [bash(f"{typed}\nprintenv PATH", outside).stdout.splitlines() for typed in (FIRST, "\n".join(ENTER))]
    assert all("runs/demo/models is complete" in lines for lines in said)
    (inside,) = {lines[-1] for lines in said}
    return inside


@pytest.fixture(scope="module")
def done(bash, path, checkout) -> dict[str, Done]:
    """Every command, as README.md writes it or else the quickstart, and what became of it."""
    in_readme = {meaning(command): command for command in FIVE}
    dry_run, *others = [in_readme.get(meaning(command), command) for command in (*CORPUS, *TRAININGS, *PICTURE)]
    tried = {dry_run: bash(dry_run, path)}
    assert not (checkout / "runs/mine").exists()
    return tried | {command: bash(command, path) for command in others}


def test_the_readme_has_the_same_commands_as_the_quickstart_in_the_same_order(done):
    assert [command for command in done if command in FIVE] == FIVE


def test_each_command_names_those_that_its_page_shows_next(done):
    commands = list(done)
    for place, command in enumerate(commands, start=1):
        _, then = ending_of(done[command])
        assert bool(then) is not any(word in command for word in LAST)
        assert [meaning(each) for each in then] == [meaning(each) for each in commands[place : place + len(then)]]


def test_what_pages_and_commands_name_to_look_at_is_there(done, checkout):
    named = {file for each in done.values() for file in ending_of(each)[0]}
    text = QUICKSTART.read_text()
    named |= set(re.findall(r"`(runs/mine/\S+)`", text))
    pictures = {f"runs/mine/pictures/{file}" for file in re.findall(r"`(000\S*\.png)`", text)}
    assert len(pictures) == 3
    assert [file for file in named | pictures if not (checkout / file).exists()] == []
    assert len(named) > 10
    assert Image.open(checkout / "runs/mine/pictures/000-depth.png").mode == "I;16"
