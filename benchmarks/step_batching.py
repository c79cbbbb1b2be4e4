"""Many who ask one model for pictures: batches at every step against three other ways, side by side.

    PYTHONPATH=. python -m benchmarks.step_batching [--pixels 32] [--seconds 20] [--threads 1] [--repeats 1]

The toy's untrained model on the CPU; four pixels are a latent on a side. Requests of 4, 20 and 50 steps come at random
(Poisson) at 0.5, 0.9 and 2 times what the pipeline in a loop can draw, and one in ten is cancelled after half a
second. Each way is given the same requests at the same times, in a process of its own. Then 16 clients ask for one
picture after the other, which shows what batching gains, beside what a full call of the U-Net gains by itself.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.drawing_sides import SIDES, Asked, draw
from benchmarks.measure import Ratio, alone, arguments, in_turns, save
from ldm3d.config import ModelConfig
from ldm3d.models.base import load_base
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.serving.request import DrawRequest
from ldm3d.serving.speed import seconds_of_calls
from ldm3d.toy.diffusion_model import make_base_model

ROWS = 8
LOADS = (0.5, 0.9, 2.0)
STEPS, SHARES = (4, 20, 50), (0.5, 0.3, 0.2)
CANCELLED, CANCELLED_AFTER_S = 0.1, 0.5
IN_TIME = 10  # times as long as a request takes alone
CLIENTS, CLIENT_STEPS = 16, 20


@dataclass(frozen=True)
class Arrival:
    """A request that comes."""

    at_s: float
    steps: int
    seed: int
    cancelled: bool


def arrivals(rate: float, seconds: float) -> list[Arrival]:
    """Return requests that come at random, `rate` in a second."""
    random = np.random.default_rng(0)
    times = np.cumsum(random.exponential(1 / rate, int(3 * rate * seconds) + 10))
    times = times[times < seconds]
    steps = random.choice(STEPS, len(times), p=SHARES)
    cancelled = random.random(len(times)) < CANCELLED
    return [Arrival(*each) for each in zip(times.tolist(), steps.tolist(), range(len(times)), cancelled, strict=True)]


def opened(base: Path, threads: int) -> RgbdPipeline:
    """Open the model."""
    torch.set_num_threads(threads)
    return RgbdPipeline(load_base(ModelConfig(base=str(base))))


def request_of(steps: int, seed: int, pixels: int) -> DrawRequest:
    """Return a request."""
    return DrawRequest(prompt="a red cube", seed=seed, num_inference_steps=steps, height=pixels, width=pixels)


def capacity(base: Path, pixels: int, threads: int) -> dict[str, Any]:
    """Return the seconds of requests alone, by their steps, and what a full call of the U-Net gains."""
    model = opened(base, threads)
    lone = {}
    for steps in STEPS:
        taken = []
        for seed in range(4):
            draw(model, [asked := Asked(request_of(steps, seed, pixels))])
            taken.append(asked.ended_at - asked.at)
        lone[steps] = median(taken[1:])
    calls = seconds_of_calls(model, request_of(4, 0, pixels), (2, ROWS))
    return {"lone_s": lone, "gain": ROWS / 2 * calls[2] / calls[ROWS]}


def crowd(
    side: str, base: Path, pixels: int, threads: int, come: Sequence[Arrival], lone_s: dict[int, float]
) -> dict[str, float]:
    """Let requests come, wait for all of them, and return what they saw."""
    drawing = SIDES[side](opened(base, 1 if side == "threads" else threads), ROWS)
    drawing.submit(warm := Asked(request_of(4, 0, pixels)))
    warm.ended.wait()
    began, all_asked = time.monotonic(), []
    for each in come:
        time.sleep(max(0.0, began + each.at_s - time.monotonic()))
        asked = Asked(request_of(each.steps, each.seed, pixels))
        cancel = drawing.submit(asked)
        all_asked.append(asked)
        if each.cancelled:
            threading.Timer(CANCELLED_AFTER_S, _cancelled, (asked, cancel)).start()
    for asked in all_asked:
        asked.ended.wait()
    drawing.stop()
    kept = [asked for asked in all_asked if not asked.cancelled_at]
    took = np.array([asked.ended_at - asked.at for asked in kept])
    short = [asked.ended_at - asked.at for asked in kept if asked.request.num_inference_steps == STEPS[0]]
    alone_s = np.array([lone_s[asked.request.num_inference_steps] for asked in kept])
    return {
        "p50_s": float(np.quantile(took, 0.5)),
        "p99_s": float(np.quantile(took, 0.99)),
        "p99_short_s": float(np.quantile(short, 0.99)),
        "first_step_s": float(np.median([asked.first_step_at - asked.at for asked in kept])),
        "in_time": float((took <= IN_TIME * alone_s).mean()),
        "wasted_steps": float(sum(asked.wasted for asked in all_asked)),
        "cancelled": float(sum(bool(asked.cancelled_at) for asked in all_asked)),
    }


def _cancelled(asked: Asked, cancel: Any) -> None:
    if not asked.ended.is_set():
        asked.cancelled_at = time.monotonic()
        cancel()


def clients(side: str, base: Path, pixels: int, threads: int, seconds: float) -> float:
    """Return the pictures that 16 clients get in a second."""
    drawing = SIDES[side](opened(base, 1 if side == "threads" else threads), ROWS)
    until, drawn = time.monotonic() + seconds, [0] * CLIENTS

    def client(number: int) -> None:
        while time.monotonic() < until:
            drawing.submit(asked := Asked(request_of(CLIENT_STEPS, 1_000 * number + drawn[number], pixels)))
            asked.ended.wait()
            drawn[number] += 1

    began = time.monotonic()
    all_clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for each in all_clients:
        each.start()
    for each in all_clients:
        each.join()
    took = time.monotonic() - began
    drawing.stop()
    return sum(drawn) / took


def main() -> None:
    settings = arguments(__doc__, pixels=32, seconds=20, threads=1, repeats=1)
    pixels, threads = settings.pixels, settings.threads
    record: dict[str, Any] = {"pixels": pixels, "threads": threads}
    with TemporaryDirectory() as name:
        base = Path(name) / "base"
        make_base_model(base)
        known = alone(capacity, base, pixels, threads)
        mean_s = sum(share * known["lone_s"][steps] for steps, share in zip(STEPS, SHARES, strict=True))
        print(f"alone, a request takes {mean_s:.3f} s; a call of {ROWS} rows draws {known['gain']:.2f} times as many")
        for load in LOADS:
            come = arrivals(load / mean_s, settings.seconds)
            sides = {side: partial(alone, crowd, side, base, pixels, threads, come, known["lone_s"]) for side in SIDES}
            found = in_turns(sides, settings.repeats)
            record[f"load_{load}"] = found
            _tell(load, len(come), found)
        rates = in_turns(
            {side: partial(alone, clients, side, base, pixels, threads, settings.seconds) for side in SIDES},
            settings.repeats,
        )
        for side in SIDES:
            print(
                f"{CLIENTS} clients, {side}: {Ratio.of(rates[side], rates['loop'])} of the loop's pictures in a second"
            )
        gained = Ratio.of(rates["steps"], rates["loop"])
        print(f"{CLIENTS} clients: {gained.middle / known['gain']:.2f} of what a full call gains by itself")
        record |= {"gain": known["gain"], "lone_s": known["lone_s"], "clients": rates}
    save(f"step_batching_{pixels}", record)


def _tell(load: float, requests: int, found: dict[str, list[dict[str, float]]]) -> None:
    print(f"{load} of the loop's capacity, {requests} requests:")
    for side, turns in found.items():
        middle = {name: median(turn[name] for turn in turns) for name in turns[0]}
        short = Ratio.of([turn["p99_short_s"] for turn in turns], [turn["p99_short_s"] for turn in found["steps"]])
        print(
            f"  {side:8} in time {middle['in_time']:.2f}, wasted steps {middle['wasted_steps']:.0f} of "
            f"{middle['cancelled']:.0f} cancelled, p99 of 4 steps {short} times ours, "
            f"p50 {middle['p50_s']:.2f} s, p99 {middle['p99_s']:.2f} s, first step {middle['first_step_s']:.3f} s"
        )


if __name__ == "__main__":
    main()
