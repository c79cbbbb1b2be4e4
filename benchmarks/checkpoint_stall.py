"""How long a checkpoint holds up training, against a synchronous torch.save of the same tensors.

    python -m benchmarks.checkpoint_stall [--millions 80] [--repeats 3]

The toy's U-Net takes steps. A checkpoint of it, or of `--millions` of weights with Adam's moments (1 GB at 80), is
made as in the loop: all tensors are copied, then a thread hashes and writes the copies while steps continue. The cost
is the time until steps continue, and what steps lose until everything is written. The peer is torch.save of the
tensors themselves to the same disk. One torch thread, so that the writer has a core.
"""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from benchmarks.measure import alone, arguments, medians, save, timed
from benchmarks.toy_training import Observed, Toy, training_of
from pipelines.storage.folder import Folder
from pipelines.training.checkpoints import Checkpoints, Tensors
from pipelines.training.parallel import gather

WIDTH = 2_000  # of square layers, of four million weights each
USUAL = 10  # steps that measure the usual time of one


def run(root: Path, millions: int, repeats: int) -> dict[str, dict[str, float]]:
    """Measure both states, one after the other."""
    torch.set_num_threads(1)
    job, worker = training_of(replace(Toy.make(root, steps=1).cached, output=str(root / "run"))).job, Observed.until(0)
    trainee: Any = job.open_trainee(worker)
    batch = next(iter(job.open_reader(0, worker)))
    unet = trainee.state.trained["unet"]

    def step() -> None:
        trainee.step(batch)

    step()
    toy = _measure(step, trainee.state.tensors, [unet.network, unet.optimiser, unet.average], root / "toy", repeats)
    network, optimiser = _large(millions)

    def tensors() -> Tensors:
        weights, moments = gather(network, optimiser)
        return {"large": weights, "large_optimiser": moments}

    return {"toy": toy, "large": _measure(step, tensors, [network, optimiser], root / "large", repeats)}


def _large(millions: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a network that only has to have weights, and its optimiser after a step."""
    layers = millions * 10**6 // WIDTH**2
    network = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(layers)))
    optimiser = torch.optim.Adam(network.parameters())
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.step()
    optimiser.zero_grad()
    return network, optimiser


def _measure(
    step: Callable[[], None], tensors: Callable[[], Tensors], parts: list[Any], folder: Path, repeats: int
) -> dict[str, float]:
    """Return medians in seconds: `held` until steps continue, `slower` that they lose afterwards, `stall` both."""
    turns = []
    checkpoints = Checkpoints(Folder(str(folder)), keep=1)
    with ThreadPoolExecutor(1) as waiter:
        for turn in range(repeats):
            usual = median(timed(step)[0] for _ in range(USUAL))
            began = time.perf_counter()
            checkpoints.save(turn, tensors(), {})
            held = time.perf_counter() - began
            slower, written = 0.0, waiter.submit(checkpoints.wait)
            while not written.done():
                slower += timed(step)[0] - usual
            write = time.perf_counter() - began
            saved, _ = timed(torch.save, [part.state_dict() for part in parts], folder / "peer.pt")
            turns.append({"step": usual, "held": held, "slower": slower, "written_after": write, "torch_save": saved})
    checkpoints.close()
    middle = medians(turns)
    stall = median(turn["held"] + turn["slower"] for turn in turns)
    gigabytes = sum(tensor.nbytes for file in tensors().values() for tensor in file.values()) / 1e9
    return {"gigabytes": gigabytes, **middle, "stall": stall, "stall_in_steps": stall / middle["step"]}


def main() -> None:
    asked = arguments(__doc__, millions=80, repeats=3)
    with tempfile.TemporaryDirectory() as name:
        found = alone(run, Path(name), asked.millions, asked.repeats)
    for state, each in found.items():
        print(
            f"{state}, {each['gigabytes']:.3f} GB: {each['held']:.3f} s, then {each['slower']:.3f} s in slower steps"
        )
        print(f"  = {each['stall']:.3f} s, {each['stall_in_steps']:.2f} steps; torch.save {each['torch_save']:.3f} s")
    save("checkpoint_stall", {"millions": asked.millions, "states": found})


if __name__ == "__main__":
    main()
