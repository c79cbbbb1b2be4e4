"""Utilisation counts what each step does: more operations from the step on at which another network is trained."""

import time
from types import SimpleNamespace

import pytest
import torch

from pipelines.training.meter import Meter

PEAK = 1e9
ONE = 2 * 4 * 8 * 16  # operations of one product


@pytest.fixture
def meter(monkeypatch) -> Meter:
    """A meter whose steps take a second each."""
    now = iter(range(1_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    return Meter(4, SimpleNamespace(wait_s=0.0), PEAK)


def products(count: int) -> str:
    for _ in range(count):
        torch.randn(4, 8) @ torch.randn(8, 16)
    return "done"


def read(meter: Meter, step: int, counts: list[int]) -> float:
    """Take steps of so many products, and read what was measured; a reading takes a second of the clock."""
    for count in counts:
        assert meter.measured(lambda count=count: products(count), ["a", "b"][:count]) == "done"
    return meter.read(step).get("speed/mfu", 0.0) * PEAK / ONE


def test_operations_are_counted_again_when_another_network_takes_part(meter):
    assert read(meter, 1, [1]) == 0  # the first reading has nothing to compare with
    assert read(meter, 3, [1, 1]) == pytest.approx(2)
    assert read(meter, 5, [1, 2]) == pytest.approx(3)  # the interval in which the other one begins
    assert read(meter, 7, [2, 2]) == pytest.approx(4)


def test_a_run_that_is_resumed_when_both_take_part_counts_both(meter):
    read(meter, 11, [2])
    assert read(meter, 12, [2]) == pytest.approx(2)


def test_what_a_validation_interrupts_does_not_count(meter):
    read(meter, 1, [1])
    meter.measured(lambda: products(1), ["a"])
    meter.restart(2)
    assert read(meter, 3, [1]) == pytest.approx(1)


def test_without_a_peak_there_is_no_utilisation(meter):
    meter.peak_flops = None
    read(meter, 1, [1])
    meter.measured(lambda: products(1), ["a"])
    assert "speed/mfu" not in meter.read(2)
