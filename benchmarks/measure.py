"""Costs of commands and functions in separate processes, and ratios of them."""

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self, TypeVar

import numpy as np
import psutil

T = TypeVar("T")

RESULTS = Path("runs/benchmarks")
SAMPLE_S = 0.1
RATES = ("per_cpu_s", "per_s")
HELP = {  # of the flags of all benchmarks
    "batch": "pictures or samples in a batch; lower it where the memory of the card is too small",
    "dimensions": "features of a picture",
    "images": "pictures that are drawn by each side",
    "millions": "weights of the large checkpoint, in millions",
    "older": "checkout to compare with; without one, only this one is measured",
    "peers": "folder in which peers are installed, and kept for the next time; a temporary one if none is given",
    "pictures": "pictures that are measured by each side, or in each set",
    "pixels": "side of the pictures",
    "places": "panoramas that become places",
    "real": "1 also measures the parts at Stable Diffusion's size, 0 leaves that out",
    "repeats": "how often everything is measured; results are medians",
    "samples": "samples that are drawn by each side",
    "seconds": "how long each side is measured in each turn",
    "seed": "another seed gives other misfortunes",
    "size": "how much is measured: pictures, rows or trials, as described above",
    "steps": "steps of each measurement",
    "threads": "torch threads of each side",
    "views": "views that each side draws",
}
ENVIRONMENT = {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # importing it would query a package index for its version
    "WANDB_MODE": "disabled",
    "HF_HUB_OFFLINE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # Ray's default of 15 would yield to whatever else runs; the peers do not
}


@dataclass(frozen=True)
class Cost:
    """The cost of one process, with the children that it waited for."""

    wall_s: float
    cpu_s: float
    """User and system time."""
    peak_mib: float
    """Largest resident set of the process itself."""

    @classmethod
    def of(cls, began: float, *used: resource.struct_rusage) -> Self:
        """Measure from `began`, on the monotonic clock, to now; the first of `used` gives the peak."""
        cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in used)
        return cls(time.monotonic() - began, cpu_s, used[0].ru_maxrss / 1024)


@dataclass(frozen=True)
class Ratio:
    """Ours over the peer's, larger = better for us: median, smallest and largest over repetitions."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: list[float], peers: list[float]) -> Self:
        """Compare rates measured in turns, each of ours with the peer's of the same turn."""
        ratios = [mine / theirs for mine, theirs in zip(ours, peers, strict=True)]
        return cls(median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def in_order(sides: Iterable[str], turn: int) -> list[str]:
    """Return `sides` in the order of a turn: every other one is backwards, so that no side always goes first."""
    names = list(sides)
    return names if turn % 2 == 0 else names[::-1]


def in_turns(sides: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Call every side once a turn, in the order of `in_order`. Returns what each returned, turn by turn."""
    returned: dict[str, list[T]] = {side: [] for side in sides}
    for turn in range(repeats):
        for side in in_order(sides, turn):
            returned[side].append(sides[side]())
    return returned


def timed(function: Callable[..., T], *arguments: Any) -> tuple[float, T]:
    """Call a function. Returns the seconds that it took, and its result."""
    began = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - began, result


def medians(turns: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each number over turns."""
    return {name: median(turn[name] for turn in turns) for name in turns[0]}


def ratios(ours: list[dict[str, Any]], peers: list[dict[str, Any]], names: Sequence[str] = RATES) -> dict[str, Ratio]:
    """Compare each rate of ours with the peer's, turn by turn."""
    return {name: Ratio.of([turn[name] for turn in ours], [turn[name] for turn in peers]) for name in names}


@dataclass(frozen=True)
class Timeline:
    """The growth of the CPU time of a process and its descendants."""

    points: list[tuple[float, float]]
    """Seconds since the epoch, and CPU seconds used until then."""

    def cpu_s(self, begin: float, end: float) -> float:
        """Return the CPU seconds used between two times of the clock."""
        clock, used = zip(*self.points, strict=True)
        at_begin, at_end = np.interp([begin, end], clock, used)
        return float(at_end - at_begin)


def command(arguments: list[str | Path], log: Path) -> tuple[Cost, Timeline]:
    """Run a command and wait for it, writing its output to `log`.

    Raises:
        RuntimeError: it failed; the message ends with the end of its output.
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
        raise RuntimeError(f"{arguments[:3]} exited with {process.returncode}: {log.read_text()[-2000:]}")
    return Cost.of(began, used), Timeline(points)


def _tree_cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process, its living descendants, and the dead ones that were waited for."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(each.cpu_times()[:4])  # its own user and system time, and its children's
    return total


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a module-level function in a fresh process. Returns its result."""
    return alone_with_cost(function, *arguments)[0]


def alone_with_cost(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Cost]:
    """Call a module-level function in a fresh process. Returns its result, and its cost without imports."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(there, function, arguments))
    os.environ.update(ENVIRONMENT)
    process.start()
    there.close()
    try:
        result, cost = here.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} failed in its process: see its traceback above") from None
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
    """Start a Ray cluster for the duration of a benchmark and yield its address. GPUs may be pretended."""
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
    """Parse the command line of a benchmark: numbers and texts with defaults, such as `repeats`, each in `HELP`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=HELP[name])
    return parser.parse_args()


def save(name: str, record: dict[str, Any]) -> None:
    """Write one JSON line to runs/benchmarks/<name>.json, with the machine that it was measured on."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {"benchmark": name, "cpus": os.cpu_count(), "cpu": _cpu_model(), **record}
    (RESULTS / f"{name}.json").write_text(json.dumps(_plain(record)) + "\n")


def _plain(value: Any) -> Any:
    """Return JSON values; numbers have four significant digits."""
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
