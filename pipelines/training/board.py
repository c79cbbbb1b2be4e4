"""What the workers of a training and its driver tell each other."""

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import ray

logger = logging.getLogger(__name__)

WAITING_S = 60.0  # without workers, before it is said that there are none
ABSENT_S = 20.0  # without a word of workers, after which there are none


class Board:
    """An actor between the driver and its workers: numbers go one way, the wish to stop the other."""

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
        """What has come since the last call."""
        silent_s = math.inf if self._heard is None else time.monotonic() - self._heard
        news = News(self._reports, self._warnings, self._begun, silent_s)
        self._reports, self._warnings = [], []
        return news

    def begin(self) -> Exception | None:
        """Called by each worker that is there. Returns what has ended an earlier start for good."""
        self._heard = time.monotonic()
        self._begun += 1
        return self._fault

    def give_up(self, fault: Exception) -> None:
        """Called by a worker that met what another start would meet again."""
        self._fault = self._fault or fault

    def fault(self) -> Exception | None:
        return self._fault

    def stop(self) -> None:
        self._stopped = True

    def stopped(self) -> bool:
        """Called by workers all the time, which shows that they are there."""
        self._heard = time.monotonic()
        return self._stopped


class News(NamedTuple):
    """What workers have told.

    begun: workers that have started so far, those of all starts. silent_s: seconds since any was heard.
    """

    reports: list[tuple[int, dict[str, float]]]
    warnings: list[str]
    begun: int
    silent_s: float


class Listener:
    """The driver's side: tells a person what workers tell, and when there are none.

    Attributes:
        silent_s: seconds since any worker was heard; infinite before the first.
    """

    def __init__(self, workers: int, show: Callable[[int, dict[str, float]], None]) -> None:
        """`workers`: of a start. `show`: told the numbers that the first one reports."""
        self.workers, self.show = workers, show
        self.silent_s = math.inf
        self._starts = 0
        self._since = self._told = time.monotonic()

    def take(self, news: News) -> None:
        for step, numbers in news.reports:
            self.show(step, numbers)
        for line in news.warnings:
            logger.warning("first worker: %s", line)
        if (starts := -(-news.begun // self.workers)) > max(1, self._starts):
            logger.warning("workers were started again, the %d. time: they go on from the last checkpoint", starts - 1)
        self._starts, self.silent_s, now = starts, news.silent_s, time.monotonic()
        if news.silent_s < ABSENT_S:
            self._since = self._told = now
        elif now - self._told > WAITING_S:
            self._told = now
            free = {name: ray.available_resources().get(name, 0) for name in ("CPU", "GPU")}
            logger.warning("no workers for %.0f s; the cluster has %s free", now - self._since, free)
