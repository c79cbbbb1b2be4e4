"""The messages between the workers of a training and its driver."""

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import ray

logger = logging.getLogger(__name__)

WAITING_S = 60.0  # without workers, between warnings that there are none
ABSENT_S = 20.0  # of silence, after which there are no workers


class Board:
    """An actor between workers and driver: passes numbers and warnings one way, the request to stop the other."""

    def __init__(self) -> None:
        self._stopped = False
        self._heard: float | None = None
        self._begun = 0
        self._fault: Exception | None = None
        self._reports: list[tuple[int, dict[str, float]]] = []
        self._warnings: list[str] = []

    def report(self, step: int, numbers: dict[str, float]) -> None:
        self._reports.append((step, numbers))

    def warn(self, line: str) -> None:
        self._warnings.append(line)

    def news(self) -> "News":
        """Return what workers have sent since the last call."""
        silent_s = math.inf if self._heard is None else time.monotonic() - self._heard
        news = News(self._reports, self._warnings, self._begun, silent_s)
        self._reports, self._warnings = [], []
        return news

    def begin(self) -> Exception | None:
        """Count a worker that starts. Returns the fault for which no start can work, if one is known."""
        self._heard = time.monotonic()
        self._begun += 1
        return self._fault

    def give_up(self, fault: Exception) -> None:
        """Keep a fault that every later start would meet again; the first one counts."""
        self._fault = self._fault or fault

    def fault(self) -> Exception | None:
        return self._fault

    def stop(self) -> None:
        self._stopped = True

    def stopped(self) -> bool:
        """Whether workers are to stop. They ask all the time, which shows that they are alive."""
        self._heard = time.monotonic()
        return self._stopped


class News(NamedTuple):
    """What workers have sent."""

    reports: list[tuple[int, dict[str, float]]]
    """Steps and their numbers."""
    warnings: list[str]
    begun: int
    """Workers that have started so far, restarts included."""
    silent_s: float
    """Seconds since any worker was heard; infinite before the first."""


class Listener:
    """The driver's side: shows numbers, and logs warnings, restarts, and the absence of workers.

    Args:
        workers: how many each start has.
        show: told a step and the numbers that the first worker reports of it.
    """

    def __init__(self, workers: int, show: Callable[[int, dict[str, float]], None]) -> None:
        self.workers, self.show = workers, show
        self.silent_s = math.inf  # as in the last news
        self._starts = 0
        self._since = self._told = time.monotonic()

    def take(self, news: News) -> None:
        for step, numbers in news.reports:
            self.show(step, numbers)
        for line in news.warnings:
            logger.warning("first worker: %s", line)
        starts = math.ceil(news.begun / self.workers)
        if starts > max(1, self._starts):
            logger.warning("workers restarted (restart %d); resuming from the last checkpoint", starts - 1)
        self._starts, self.silent_s, now = starts, news.silent_s, time.monotonic()
        if news.silent_s < ABSENT_S:
            self._since = self._told = now
        elif now - self._told > WAITING_S:
            self._told = now
            free = {name: ray.available_resources().get(name, 0) for name in ("CPU", "GPU")}
            logger.warning("no workers for %.0f s; the cluster has %s free", now - self._since, free)
