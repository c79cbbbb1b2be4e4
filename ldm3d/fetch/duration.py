"""How long fetching may take while nothing is wrong: what a watchdog has to put up with."""

from collections import Counter
from collections.abc import Iterable

from ldm3d.config import DownloadConfig
from ldm3d.fetch.outcome import FetchError
from ldm3d.fetch.politeness import share_of
from ldm3d.fetch.urls import host_of, normalise


def longest_fetch_s(urls: Iterable[str], config: DownloadConfig, share_of_host: int = 1, calls: int = 1) -> float:
    """Seconds after which one `Fetcher.fetch_all(urls)` has ended, whatever hosts do short of leading to other hosts.

    `config.deadline_s` bounds the time spent on a URL, not its wait in a queue. The last URL waits while the call's
    threads are busy with the others, or while its host's slots are busy with that host's other URLs, those of the
    calls beside this one included. They are taken to be alike, as shards are: each a random sample of the metadata.

    Args:
        urls: of one call.
        config: limits.
        share_of_host, calls: as the `Fetcher` has them.
    """
    hosts = Counter(host for url in urls if (host := _host(url)))
    if not hosts:
        return 0.0
    for_threads = hosts.total() / max(1, config.threads // calls)
    for_host = max(hosts.values()) * calls / share_of(config.per_host, share_of_host)
    own, pauses = 1, 1  # pauses that a host asks for count against the deadlines of all who wait for it
    turns = -(-calls // config.threads)  # where threads are fewer than calls, each call waits for the others
    return config.deadline_s * turns * (for_threads + for_host + own + pauses)


def _host(url: str) -> str:
    try:
        return host_of(normalise(url))
    except FetchError:
        return ""
