"""All workers of a loop find out together that they cannot train, so that none waits for another."""

import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed

from ldm3d.config import LoopConfig
from pipelines.storage.folder import Folder
from pipelines.storage.shards import claim
from pipelines.training.loop import Loop
from pipelines.training.worker import Worker
from tests.builders.worker_processes import run_workers

WORKERS = 2
OUTPUTS = ("private", "taken")


def job(output: Path) -> Any:
    """A job without networks."""
    config = SimpleNamespace(loop=LoopConfig(epochs=1, batch_size=2, lanes=2))
    return SimpleNamespace(config=config, output=Folder(str(output)), open_trainee=lambda worker: None)


def work(rank: int, root: Path) -> None:
    """Write down what ends the loop of one of two workers."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    distributed.init_process_group("gloo", f"file://{root}/rendezvous", rank=rank, world_size=WORKERS)
    worker = Worker(rank, WORKERS, torch.device("cpu"), None, threading.Event(), threading.Event())
    try:
        for name in OUTPUTS:
            output = root / f"{name}-{rank}"
            try:
                Loop(job(output), "ours", worker).run()
            except Exception as error:
                (root / f"{name}-{rank}.txt").write_text(f"{type(error).__name__}: {error}")
        distributed.barrier()  # gloo aborts a process whose peer leaves in the middle of a goodbye
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> dict[str, list[str]]:
    """What ended the workers: by output, of each rank."""
    root = tmp_path_factory.mktemp("loop")
    for name, owner in (("private-0", "ours"), ("taken-0", "theirs")):
        claim(Folder(str(root / name)), owner, {})
    Folder(str(root / "private-1")).write("checkpoints/000000007/state.json", b"{}")
    run_workers(__file__, root, WORKERS)
    return {name: [(root / f"{name}-{rank}.txt").read_text() for rank in range(WORKERS)] for name in OUTPUTS}


def test_workers_that_see_different_checkpoints_all_stop(ended):
    first, other = ended["private"]
    assert first.startswith("RuntimeError")
    assert "step 0, this one that of step 0" in first
    assert "step 0, this one that of step 7" in other


def test_a_takeover_that_the_first_worker_sees_stops_all(ended):
    first, other = ended["taken"]
    assert first.startswith("TakenOverError")
    assert "run theirs" in first
    assert other.startswith("TakenOverError")


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
