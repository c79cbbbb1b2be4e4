"""Costs of commands and functions that run in processes of their own, and what is made of them: ratios."""

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy as np
import psutil

RESULTS = Path("runs/benchmarks")
SAMPLE_S = 0.1
ENVIRONMENT = {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # importing it would ask a package index for its version
    "WANDB_MODE": "disabled",
    "HF_HUB_OFFLINE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # Ray's default of 15 would lose to whatever else runs, and the peers would not
}


@dataclass(frozen=True)
class Cost:
    """What one process took, with the children that it waited for.

    wall_s, cpu_s: seconds, user and system; peak_mib: largest resident set of the process itself, in MiB.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float

    @classmethod
    def of(cls, began: float, *used: resource.struct_rusage) -> Self:
        """From the start on the monotonic clock to now; the first of `used` gives the peak."""
        cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in used)
        return cls(time.monotonic() - began, cpu_s, used[0].ru_maxrss / 1024)


@dataclass(frozen=True)
class Ratio:
    """Ours over the peer's, larger = better for us: the median over repetitions, and the smallest and largest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: list[float], peers: list[float]) -> Self:
        """Of rates that were measured in turns: each of ours is compared with the peer's of the same turn."""
        ratios = [mine / theirs for mine, theirs in zip(ours, peers, strict=True)]
        return cls(median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Timeline:
    """The CPU time of a process and all below it as it grew: (clock in seconds since the epoch, CPU seconds)."""

    points: list[tuple[float, float]]

    def cpu_s(self, begin: float, end: float) -> float:
        """CPU seconds used between two times of the clock."""
        clock, used = zip(*self.points, strict=True)
        at_begin, at_end = np.interp([begin, end], clock, used)
        return float(at_end - at_begin)


def command(arguments: list[str | Path], log: Path) -> tuple[Cost, Timeline]:
    """Run a command to its end, its output in `log`.

    Raises:
        RuntimeError: it failed; the message ends with what it printed last.
    """
    began, points = time.monotonic(), [(time.time(), 0.0)]
    with log.open("wb") as output:
        process = psutil.Popen(
            [str(argument) for argument in arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | ENVIRONMENT | {"PYTHONPATH": os.getcwd()},
        )
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            points.append((time.time(), _tree_cpu_s(process)))
            time.sleep(SAMPLE_S)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments[:3]} ended with {process.returncode}: {log.read_text()[-2000:]}")
    return Cost.of(began, used), Timeline(points)


def _tree_cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process, of those below it that live, and of those that were waited for."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(each.cpu_times()[:4])  # its own user and system, and its children's
    return total


def alone(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Cost]:
    """Call a function of a module in a fresh process. Returns what it returned, and what it took without imports."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(there, function, arguments))
    os.environ.update(ENVIRONMENT)
    process.start()
    there.close()
    try:
        result, cost = here.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} failed in its process: see above") from None
    finally:
        process.join()
    return result, cost


def _call(pipe: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    began = time.monotonic()
    result = function(*arguments)
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    pipe.send((result, Cost.of(began, *used)))


@contextmanager
def cluster(cpus: int = 2, gpus: int = 0) -> Iterator[str]:
    """A Ray cluster for the time of a benchmark: its address. A GPU may be pretended."""
    import logging

    import ray

    os.environ.update(ENVIRONMENT)
    context: Any = ray.init(
        num_cpus=cpus,
        num_gpus=gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
        runtime_env={"env_vars": {name: ENVIRONMENT[name] for name in ("NO_ALBUMENTATIONS_UPDATE", "HF_HUB_OFFLINE")}},
    )
    try:
        yield context.address_info["address"]
    finally:
        ray.shutdown()


def arguments(about: str | None, **defaults: int | str) -> argparse.Namespace:
    """The command line of a benchmark: numbers and texts with defaults, `repeats` among them."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def save(name: str, record: dict[str, Any]) -> None:
    """One JSON line in runs/benchmarks/<name>.json, with the machine that it was measured on."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"benchmark": name, "cpus": os.cpu_count(), "cpu": _cpu_model(), **record}
    (RESULTS / f"{name}.json").write_text(json.dumps(_plain(record)) + "\n")


def _plain(value: Any) -> Any:
    """JSON values, numbers with four significant digits."""
    if isinstance(value, Ratio | Cost):
        value = vars(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
