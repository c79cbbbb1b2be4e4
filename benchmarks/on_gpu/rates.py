"""Rates of functions on the device, measured in turns, so that none always has the warmer one."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch

from benchmarks.measure import Ratio, in_order

Sides = Mapping[str, tuple[Callable[[], Any], int]]
"""By name: a function, and how many items one call of it handles."""


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half() -> torch.dtype:
    """Return the precision that is usual on the device."""
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


def compare(sides: Sides, peer: str, seconds: float, turns: int) -> dict[str, Any]:
    """Measure each side for `seconds` in each turn, after one call to warm up.

    Returns:
        per_s: by side, items per second (medians); ratio: of each side to the peer.
    """
    found: dict[str, list[float]] = {side: [] for side in sides}
    for call, _ in sides.values():
        call()
    for turn in range(turns):
        for side in in_order(sides, turn):
            found[side].append(_rate(*sides[side], seconds))
    return {
        "per_s": {side: median(rates) for side, rates in found.items()},
        "ratio": {side: Ratio.of(rates, found[peer]) for side, rates in found.items() if side != peer},
    }


def _rate(call: Callable[[], Any], items: int, seconds: float) -> float:
    calls = 0
    _finish()
    began = time.perf_counter()
    while calls == 0 or time.perf_counter() - began < seconds:
        call()
        _finish()
        calls += 1
    return calls * items / (time.perf_counter() - began)


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
