"""URLs that wait: for a slot at their host, or for the time of their retry."""

import heapq
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ldm3d.fetch.outcome import Outcome
from ldm3d.fetch.politeness import Politeness, Standing
from ldm3d.fetch.urls import host_of


@dataclass(eq=False)
class Job:
    """One URL on its way: where it is by now, and what it has used up."""

    index: int
    url: str
    hops: list[str] = field(default_factory=list)
    """URLs that redirected to `url`."""
    attempts: int = 0
    spent_s: float = 0.0
    """Time in exchanges and in waits before retries; time in a queue does not count."""
    last: Outcome | None = None
    """The failure that a retry is to make good."""
    paused_before_s: float = 0.0
    """The host's pauses until the job joined its queue."""

    @property
    def host(self) -> str:
        return host_of(self.url)


class Backlog:
    """Jobs by host, first come first served, with retries joining when their time has come."""

    def __init__(self, politeness: Politeness, deadline_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._politeness, self._deadline_s, self._clock = politeness, deadline_s, clock
        self._queues: dict[str, deque[Job]] = {}
        self._retries: list[tuple[float, int, Job]] = []
        self._wakes_at = math.inf

    def __bool__(self) -> bool:
        return bool(self._queues or self._retries)

    def add(self, job: Job, wait_s: float = 0.0) -> None:
        """Queue a job at its host, now or in `wait_s` seconds."""
        if wait_s > 0:
            heapq.heappush(self._retries, (self._clock() + wait_s, job.index, job))
        else:
            self._enqueue(job)

    def take(self) -> tuple[Job, Standing] | None:
        """A job to act on now, or None: to fetch (FREE), or to reject (UNAVAILABLE, or PAUSED beyond its deadline)."""
        while self._retries and self._retries[0][0] <= self._clock():
            self._enqueue(heapq.heappop(self._retries)[2])
        self._wakes_at = self._retries[0][0] if self._retries else math.inf
        for host, jobs in self._queues.items():
            standing = self._politeness.standing(host)
            if standing is Standing.BUSY:
                continue
            resumes_at = self._politeness.resumes_at(host)
            if standing is Standing.PAUSED and self._fits(jobs[0], resumes_at):
                self._wakes_at = min(self._wakes_at, resumes_at)
                continue
            job = jobs.popleft()
            if not jobs:
                del self._queues[host]
            return job, standing
        return None

    def wakes_in(self) -> float | None:
        """After `take` gave None: seconds until time changes that; None if only the end of an exchange can."""
        return None if self._wakes_at == math.inf else max(0.0, self._wakes_at - self._clock())

    def _enqueue(self, job: Job) -> None:
        job.paused_before_s = self._politeness.paused_s(job.host)
        jobs = self._queues.setdefault(job.host, deque())
        if job.spent_s > 0:  # what has begun is brought to its end first
            jobs.appendleft(job)
        else:
            jobs.append(job)

    def _fits(self, job: Job, resumes_at: float) -> bool:
        """Whether the job has time left when its host's pause ends.

        A pause that the host asks for is a wait like a retry's, so it counts, be it older than the job or not: a host
        that answers nothing but 429 cannot hold a batch up.
        """
        behind_s = self._politeness.paused_s(job.host) - job.paused_before_s
        return job.spent_s + behind_s + resumes_at - self._clock() < self._deadline_s
