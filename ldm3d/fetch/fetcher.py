"""Many URLs at once: one dispatcher, a pool of threads, and img2dataset's own download at the end of each."""

import concurrent.futures
import contextlib
import functools
import math
import os
import queue
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ldm3d.config import DownloadConfig
from ldm3d.fetch.addresses import AddressPolicy
from ldm3d.fetch.backlog import Backlog, Job
from ldm3d.fetch.exchange import Exchange, Watchdog
from ldm3d.fetch.opener import Rules, guarded, install
from ldm3d.fetch.outcome import FetchError, Outcome
from ldm3d.fetch.politeness import Politeness, Standing, share_of
from ldm3d.fetch.resolver import Resolver
from ldm3d.fetch.urls import normalise
from ldm3d.reason import Reason

MAX_DETAIL = 200  # characters
POLL_S = 0.1  # how late one call may notice that another has freed a host


@dataclass(frozen=True)
class Fetched:
    """What became of one URL."""

    index: int
    """Its place in the sequence that was given."""
    content: bytes
    """The body as sent, when good. It may be empty or no image: decoding is the judge of that."""
    reason: str
    """Empty when good, else a `Reason`."""
    detail: str
    """At most 200 printable characters on the reason."""
    attempts: int
    """Exchanges that ended in an answer or a failure, redirects not counted; 0 if nobody was asked."""


_Future = concurrent.futures.Future[tuple[Outcome, float]]


class Fetcher:
    """Fetches URLs that nobody vouches for. One per process: it installs an opener in urllib.

    Keeps what it learns about hosts (pauses, breakers, DNS answers) from one `fetch_all` to the next.
    `config.per_host` holds for the host of every hop of a redirect.

    Args:
        config: limits and policies.
        share_of_host: how many fetchers there are in all; each takes its part of `config.per_host`, at least 1.
        calls: how many `fetch_all` may be under way at a time, in threads of their own. They share what is known of
            hosts and their limits, and each has its part of `config.threads`: one that waits for its slowest URL
            leaves the others at work.

    Raises:
        ValueError: `config.allow_addresses` holds something that is not an IP address.
    """

    def __init__(self, config: DownloadConfig, share_of_host: int = 1, calls: int = 1) -> None:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks a package index for its version
        from img2dataset.downloader import download_image  # takes seconds, and needed where downloads happen only

        self._download_image = download_image
        self._config = config
        agent = config.user_agent_token
        self._rules = Rules(
            resolver=Resolver(AddressPolicy(config.allow_addresses)),
            tls=_tls(),
            max_bytes=config.max_bytes,
            agent=None if agent is None else agent.strip().lower(),
            opt_out=frozenset(directive.strip().lower() for directive in config.opt_out_headers),
        )
        self._politeness = Politeness(
            share_of(config.per_host, share_of_host), config.breaker_failures, config.breaker_cooldown_s
        )
        self._watchdog = Watchdog()
        self._pool = concurrent.futures.ThreadPoolExecutor(config.threads, thread_name_prefix="fetch")
        self._lock = threading.Lock()  # of the politeness, for all dispatchers
        self._free_calls = threading.Semaphore(calls)
        self._poll_s = POLL_S if calls > 1 else math.inf
        self._window = max(1, config.threads // calls)
        install()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads. The opener stays in urllib, and is transparent to everyone else."""
        self._pool.shutdown()
        self._watchdog.close()
        self._rules.resolver.close()

    def fetch_all(self, urls: Sequence[str]) -> Iterator[Fetched]:
        """Every URL's end, in the order in which they come to one; each index exactly once.

        No URL raises. Exchanges begin only when the caller asks for the next result, so at most `config.threads`
        bodies wait in memory.

        Raises:
            RuntimeError: as many calls of this fetcher as there may be are still under way.
        """
        if not self._free_calls.acquire(blocking=False):
            raise RuntimeError("fetch_all is under way already: exhaust or close its iterator first")
        install()  # again, in case somebody has installed an opener since: without ours there is no guard
        running: dict[_Future, tuple[Job, Exchange]] = {}
        try:
            yield from self._fetch_all(urls, running)
        finally:
            self._abandon(running)
            self._free_calls.release()

    def _fetch_all(self, urls: Sequence[str], running: dict[_Future, tuple[Job, Exchange]]) -> Iterator[Fetched]:
        backlog = Backlog(self._politeness, self._config.deadline_s)
        finished: queue.SimpleQueue[_Future] = queue.SimpleQueue()
        for index, url in enumerate(urls):
            try:
                with self._lock:
                    backlog.add(Job(index, normalise(url)))
            except FetchError as error:
                yield _end(Job(index, url), error.outcome)
        while True:
            while len(running) < self._window and (taken := self._take(backlog)):
                job, standing = taken
                if standing is Standing.FREE:
                    exchange = Exchange(self._config.timeout_s, self._config.deadline_s - job.spent_s)
                    future = self._pool.submit(self._download, job.url, exchange)
                    running[future] = job, exchange
                    future.add_done_callback(finished.put)
                else:
                    yield _end(job, job.last or self._unasked(standing))
            if not (backlog or running):
                return
            with contextlib.suppress(queue.Empty):
                future = finished.get(timeout=self._patience_s(backlog, len(running)))
                job, _ = running.pop(future)
                with self._lock:
                    outcome = self._settle(job, *future.result(), backlog)
                if outcome:
                    yield _end(job, outcome)

    def _take(self, backlog: Backlog) -> tuple[Job, Standing] | None:
        """A job to act on now; one that is free to go has its host's slot already."""
        with self._lock:
            taken = backlog.take()
            if taken and taken[1] is Standing.FREE:
                self._politeness.begin(taken[0].host)
        return taken

    def _patience_s(self, backlog: Backlog, running: int) -> float | None:
        """Seconds to wait for the end of an exchange before the backlog is looked at again; None: until there is one.

        Another call may free a host that this one waits for, and does not tell.
        """
        if running >= self._window or not backlog:
            return None
        wakes_in = backlog.wakes_in()
        patience_s = min(math.inf if wakes_in is None else wakes_in, self._poll_s)
        return None if patience_s == math.inf else patience_s

    def _download(self, url: str, exchange: Exchange) -> tuple[Outcome, float]:
        """In a thread of the pool: one exchange, and the seconds it took."""
        with self._watchdog.guard(exchange), guarded(exchange, self._rules):
            _, stream, error = self._download_image(
                (0, url), self._config.timeout_s, self._rules.agent, self._rules.opt_out
            )
        took_s = time.monotonic() - exchange.started
        if stream is not None:
            return Outcome(content=stream.getvalue()), took_s
        # An error that the opener knows nothing of is img2dataset's own refusal, by X-Robots-Tag.
        return exchange.outcome or Outcome(Reason.OPTED_OUT, error), took_s

    def _settle(self, job: Job, outcome: Outcome, took_s: float, backlog: Backlog) -> Outcome | None:
        """Book an exchange that has ended. Returns the job's end, or None when it goes on: a redirect or a retry."""
        limits = self._config
        wait_s = limits.backoff_s * 2**job.attempts if outcome.retry_after_s is None else outcome.retry_after_s
        slow_down = outcome.reason is Reason.RATE_LIMITED or outcome.retry_after_s is not None
        self._politeness.end(job.host, unreachable=outcome.unreachable, pause_s=wait_s if slow_down else 0.0)
        job.spent_s += took_s
        if outcome.redirect:
            return self._follow(job, outcome.redirect, backlog)
        job.attempts += 1
        if not outcome.transient or job.attempts > limits.retries:
            return outcome
        if job.spent_s + wait_s >= limits.deadline_s:
            detail = f"{outcome.detail}, and to wait {wait_s:.3g} s exceeds the deadline"
            return replace(outcome, reason=Reason.RATE_LIMITED, detail=detail) if slow_down else outcome
        job.spent_s += wait_s
        job.last = outcome
        backlog.add(job, wait_s)
        return None

    def _follow(self, job: Job, target: str, backlog: Backlog) -> Outcome | None:
        job.hops.append(job.url)
        if target in job.hops:
            return Outcome(Reason.TOO_MANY_REDIRECTS, "the redirects run in a circle")
        if len(job.hops) > self._config.max_redirects:
            return Outcome(Reason.TOO_MANY_REDIRECTS, f"more than {self._config.max_redirects}")
        job.url, job.last = target, None
        backlog.add(job)
        return None

    def _unasked(self, standing: Standing) -> Outcome:
        if standing is Standing.UNAVAILABLE:
            unanswered = f"{self._config.breaker_failures} exchanges in a row went unanswered"
            return Outcome(Reason.HOST_UNAVAILABLE, f"not asked: {unanswered}, so the host is left alone")
        return Outcome(Reason.RATE_LIMITED, "not asked: the pauses that the host wants exceed the deadline")

    def _abandon(self, running: dict[_Future, tuple[Job, Exchange]]) -> None:
        """The caller wants no more: end what is under way, and give its slots back."""
        for _, exchange in running.values():
            exchange.expire()
        concurrent.futures.wait(running)
        with self._lock:
            for job, _ in running.values():
                self._politeness.cancel(job.host)


def _end(job: Job, outcome: Outcome) -> Fetched:
    detail = "".join(letter if letter.isprintable() else "?" for letter in outcome.detail[:MAX_DETAIL])
    return Fetched(job.index, outcome.content, str(outcome.reason or ""), detail, job.attempts)


@functools.cache  # reading the certificates takes a while
def _tls() -> ssl.SSLContext:
    """What http.client makes for itself: verified certificates, HTTP/1.1."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
