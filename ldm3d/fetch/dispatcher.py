"""One call of the fetcher: which URL to fetch next, and what the end of an exchange means for its URL."""

import contextlib
import math
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace

from ldm3d.config import DownloadConfig
from ldm3d.fetch.backlog import Backlog, Job
from ldm3d.fetch.exchange import Exchange
from ldm3d.fetch.outcome import Fetched, FetchError, Outcome
from ldm3d.fetch.politeness import Politeness, Standing
from ldm3d.fetch.urls import normalise
from ldm3d.reject import Reason

LEAST_SHARE = 0.1  # of the time for one step: with less, nobody is asked

Ended = Future[tuple[Outcome, float]]
"""How an exchange ended, and the seconds it took."""


class Dispatcher:
    """Brings the URLs of one call to their ends.

    Args:
        politeness: what is known of hosts, shared with other calls under `lock`.
        begin: starts an exchange with a URL in a thread.
        window: most exchanges at a time.
        poll_s: seconds after which it notices that another call has freed a host; `inf` if there are no other calls.
    """

    def __init__(
        self,
        config: DownloadConfig,
        politeness: Politeness,
        lock: threading.Lock,
        begin: Callable[[str, Exchange], Ended],
        window: int,
        poll_s: float,
    ) -> None:
        self._config, self._politeness, self._lock = config, politeness, lock
        self._begin, self._window, self._poll_s = begin, window, poll_s
        self._timeout_s = min(config.timeout_s, config.deadline_s)
        self._backlog = Backlog(politeness, config.max_pause_s)
        self._running: dict[Ended, tuple[Job, Exchange]] = {}

    def fetch(self, urls: Sequence[str]) -> Iterator[Fetched]:
        """Yield the outcome of every URL as soon as it is known, each index exactly once."""
        # Queue the URLs, and refuse at once those that are malformed.
        for index, url in enumerate(urls):
            try:
                with self._lock:
                    self._backlog.add(Job(index, normalise(url)))
            except FetchError as error:
                yield Fetched.of(index, error.outcome, attempts=0)
        finished: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        while True:
            # Start what may start, and reject what may not be asked.
            while len(self._running) < self._window and (taken := self._take()):
                job, standing = taken
                if standing is Standing.FREE:
                    exchange = Exchange(self._timeout_s, self._left_s(job))
                    future = self._begin(job.url, exchange)
                    self._running[future] = job, exchange
                    future.add_done_callback(finished.put)
                else:
                    yield _end(job, job.last or self._unasked(standing))
            if not (self._backlog or self._running):
                return
            # Wait for an exchange to end; without one, for the backlog to have something to act on.
            with contextlib.suppress(queue.Empty):
                future = finished.get(timeout=self._patience_s())
                job, _ = self._running.pop(future)
                with self._lock:
                    outcome = self._settle(job, *future.result())
                if outcome:
                    yield _end(job, outcome)

    def abandon(self) -> None:
        """End all running exchanges and return their slots: the caller wants no more results."""
        for _, exchange in self._running.values():
            exchange.expire()
        wait(self._running)
        with self._lock:
            for job, _ in self._running.values():
                self._politeness.cancel(job.host)

    def _take(self) -> tuple[Job, Standing] | None:
        """Return a job to act on now. If it is FREE, its host's slot has been taken for it."""
        with self._lock:
            taken = self._backlog.take()
            if taken and taken[1] is Standing.FREE:
                self._politeness.begin(taken[0].host)
        return taken

    def _patience_s(self) -> float | None:
        """Return how many seconds to wait for the end of an exchange before trying the backlog again; None: no limit.

        Another call may free a host that this one waits for, without telling.
        """
        if len(self._running) >= self._window or not self._backlog:
            return None
        wakes_in = self._backlog.wakes_in()
        patience_s = min(math.inf if wakes_in is None else wakes_in, self._poll_s)
        return None if patience_s == math.inf else patience_s

    def _settle(self, job: Job, outcome: Outcome, took_s: float) -> Outcome | None:
        """Record the end of an exchange. Returns the outcome of its job, None if it goes on: a redirect or a retry."""
        limits = self._config
        backoff_s = limits.backoff_s * 2**job.attempts
        asked_s = outcome.retry_after_s
        if asked_s == 0 or (asked_s is None and outcome.reason is Reason.RATE_LIMITED):
            asked_s = backoff_s  # it asks for a pause, and not how long: 0 and a date that has passed say nothing
        if outcome.inconclusive:
            self._politeness.cancel(job.host)
        else:
            self._politeness.end(job.host, unreachable=outcome.unreachable, pause_s=asked_s)
        job.spent_s += took_s
        if outcome.redirect:
            return self._follow(job, outcome.redirect)
        job.attempts += 1
        if not outcome.transient or job.attempts > limits.retries:
            return outcome
        if asked_s is not None and asked_s > limits.max_pause_s:
            detail = f"{outcome.detail}, and the host wants to be left alone for {asked_s:.3g} s"
            return replace(outcome, reason=Reason.RATE_LIMITED, detail=detail)
        wait_s = backoff_s if asked_s is None else 0.0  # a pause holds back all URLs of the host, this one with them
        job.spent_s += wait_s
        if self._is_late(job):
            return outcome
        job.last = outcome
        self._backlog.add(job, wait_s, last=asked_s is not None)
        return None

    def _follow(self, job: Job, target: str) -> Outcome | None:
        job.follow(target)
        if target in job.hops:
            return Outcome(Reason.TOO_MANY_REDIRECTS, "the redirects run in a circle")
        if len(job.hops) > self._config.max_redirects:
            return Outcome(Reason.TOO_MANY_REDIRECTS, f"more than {self._config.max_redirects}")
        if self._is_late(job):
            left_s = max(0.0, self._left_s(job))
            return Outcome(Reason.TIMEOUT, f"not asked: redirects left {left_s:.3g} s of the deadline")
        self._backlog.add(job)
        return None

    def _left_s(self, job: Job) -> float:
        return self._config.deadline_s - job.spent_s

    def _is_late(self, job: Job) -> bool:
        """Return whether too little of the deadline is left for a host to answer in."""
        return self._left_s(job) < LEAST_SHARE * self._timeout_s

    def _unasked(self, standing: Standing) -> Outcome:
        if standing is Standing.UNAVAILABLE:
            unanswered = f"{self._config.breaker_failures} exchanges in a row went unanswered"
            return Outcome(Reason.HOST_UNAVAILABLE, f"not asked: {unanswered}, so the host is left alone")
        longest_s = self._config.max_pause_s
        return Outcome(
            Reason.RATE_LIMITED, f"not asked: the host wants to be left alone for more than {longest_s:g} s"
        )


def _end(job: Job, outcome: Outcome) -> Fetched:
    return Fetched.of(job.index, outcome, job.attempts)
