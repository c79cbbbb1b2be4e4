"""URLs that wait for a slot at their host, or for their next retry."""

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
    """One URL in progress: where its redirects have led, and what it has used of its limits."""

    index: int
    url: str
    hops: list[str] = field(default_factory=list)
    """URLs that redirected to `url`."""
    attempts: int = 0
    spent_s: float = 0.0
    """Seconds in exchanges and in our own waits before retries; neither time in a queue nor a host's pauses count."""
    last: Outcome | None = None
    """The failure that is being retried."""
    paused_before_s: dict[str, float] = field(default_factory=dict)
    """By host: seconds for which it had been paused when the job first joined its queue."""

    def __post_init__(self) -> None:
        self.host = host_of(self.url)

    def follow(self, url: str) -> None:
        """Go on at the URL that the current one redirects to."""
        self.hops.append(self.url)
        self.url, self.host, self.last = url, host_of(url), None


class Backlog:
    """Jobs by host, first come, first served; retries join when they are due."""

    def __init__(
        self, politeness: Politeness, max_pause_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._politeness, self._max_pause_s, self._clock = politeness, max_pause_s, clock
        self._queues: dict[str, deque[Job]] = {}
        self._retries: list[tuple[float, int, Job]] = []
        self._wakes_at = math.inf

    def __bool__(self) -> bool:
        return bool(self._queues or self._retries)

    def add(self, job: Job, wait_s: float = 0.0, *, last: bool = False) -> None:
        """Queue a job at its host, now or in `wait_s` seconds.

        What has begun is finished first, unless it is to go `last`: a host that asked for a pause at this job may have
        none to ask for at the others.
        """
        if wait_s > 0:
            heapq.heappush(self._retries, (self._clock() + wait_s, job.index, job))
        else:
            self._enqueue(job, last)

    def take(self) -> tuple[Job, Standing] | None:
        """Return a job to act on now, or None if there is none.

        Its standing says how: fetch it (FREE), or reject it (UNAVAILABLE, or PAUSED for longer than a job may wait).
        """
        # Retries that are due join their hosts' queues.
        while self._retries and self._retries[0][0] <= self._clock():
            self._enqueue(heapq.heappop(self._retries)[2])
        self._wakes_at = self._retries[0][0] if self._retries else math.inf
        # The first host with something to act on gives up its first job.
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
        """Return the seconds after which `take` is worth calling again, once it has returned None.

        None: only the end of an exchange can change its answer.
        """
        return None if self._wakes_at == math.inf else max(0.0, self._wakes_at - self._clock())

    def _enqueue(self, job: Job, last: bool = False) -> None:
        job.paused_before_s.setdefault(job.host, self._politeness.paused_s(job.host))
        jobs = self._queues.setdefault(job.host, deque())
        if job.spent_s > 0 and not last:
            jobs.appendleft(job)
        else:
            jobs.append(job)

    def _fits(self, job: Job, resumes_at: float) -> bool:
        """Return whether the job may wait until its host's pause ends.

        All pauses of the host since the job came count, and the rest of one that had begun before. A host that only
        ever asks for another pause holds up nobody.
        """
        if self._politeness.is_vain(job.host):
            return False
        behind_s = self._politeness.paused_s(job.host) - job.paused_before_s[job.host]
        return behind_s + resumes_at - self._clock() <= self._max_pause_s
