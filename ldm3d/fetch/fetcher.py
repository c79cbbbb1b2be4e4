"""Fetch many URLs at once: a dispatcher per call, a pool of threads, and img2dataset's own download in each."""

import concurrent.futures
import functools
import math
import os
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Self

from ldm3d.config import DownloadConfig
from ldm3d.fetch.addresses import AddressPolicy
from ldm3d.fetch.dispatcher import Dispatcher, Ended
from ldm3d.fetch.exchange import Exchange, Watchdog
from ldm3d.fetch.opener import Rules, guarded, install
from ldm3d.fetch.outcome import Fetched, Outcome
from ldm3d.fetch.politeness import Politeness, share_of
from ldm3d.fetch.resolver import Resolver
from ldm3d.reject import Reason

POLL_S = 0.1  # how late one call may notice that another has freed a host


class Fetcher:
    """Fetches untrusted URLs. One per process: it installs an opener in urllib.

    It keeps what it learns about hosts (pauses, breakers, DNS answers) from one `fetch_all` to the next.
    `config.per_host` also holds for every host that a redirect leads to.

    Args:
        config: limits and policies.
        share_of_host: total number of fetchers; each takes its part of `config.per_host`, at least 1.
        calls: how many `fetch_all` may run at a time, each in its own thread. They share the hosts' limits and what is
            known of hosts, and divide `config.threads`, so that a call that waits for its slowest URL does not hold
            up the others.

    Raises:
        ValueError: `config.allow_addresses` holds something that is not an IP address.
    """

    def __init__(self, config: DownloadConfig, share_of_host: int = 1, calls: int = 1) -> None:
        # Otherwise img2dataset's albumentations asks a package index for its newest version.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        from img2dataset.downloader import download_image  # takes seconds, and only downloads need it

        self._download_image = download_image
        self._config = config
        agent = config.user_agent_token
        self._rules = Rules(
            resolver=Resolver(AddressPolicy(config.allow_addresses), config.threads),
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
        self._lock = threading.Lock()  # guards the politeness, which all dispatchers share
        self._free_calls = threading.Semaphore(calls)
        self._poll_s = POLL_S if calls > 1 else math.inf
        self._window = max(1, config.threads // calls)
        install()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads. The opener stays in urllib and is transparent to everyone else."""
        self._pool.shutdown()
        self._watchdog.close()
        self._rules.resolver.close()

    def fetch_all(self, urls: Sequence[str]) -> Iterator[Fetched]:
        """Yield the outcome of every URL as soon as it is known, each index exactly once.

        No URL raises. Exchanges begin only when the caller asks for the next result, so at most `config.threads`
        bodies wait in memory.

        Raises:
            RuntimeError: `calls` calls of this fetcher are running already.
        """
        if not self._free_calls.acquire(blocking=False):
            raise RuntimeError("fetch_all already runs as often as `calls` allows: exhaust or close an iterator first")
        install()  # again, in case somebody else has installed an opener since: without ours there is no guard
        dispatcher = Dispatcher(
            self._config, self._politeness, self._lock, self._begin, window=self._window, poll_s=self._poll_s
        )
        try:
            yield from dispatcher.fetch(urls)
        finally:
            dispatcher.abandon()
            self._free_calls.release()

    def _begin(self, url: str, exchange: Exchange) -> Ended:
        return self._pool.submit(self._download, url, exchange)

    def _download(self, url: str, exchange: Exchange) -> tuple[Outcome, float]:
        """Perform one exchange in a thread of the pool. Returns its outcome and the seconds it took."""
        exchange.begin()
        with self._watchdog.guard(exchange), guarded(exchange, self._rules):
            _, stream, error = self._download_image(
                (0, url), self._config.timeout_s, self._rules.agent, self._rules.opt_out
            )
        took_s = time.monotonic() - exchange.started
        if stream is not None:
            return Outcome(content=stream.getvalue()), took_s
        # An error that the opener did not see is img2dataset's own refusal, by X-Robots-Tag.
        return exchange.outcome or Outcome(Reason.OPTED_OUT, error), took_s


@functools.cache  # reading the certificates takes a while
def _tls() -> ssl.SSLContext:
    """Return what http.client makes for itself: verified certificates, HTTP/1.1."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
