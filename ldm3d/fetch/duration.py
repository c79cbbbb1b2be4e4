"""How long fetching may take while nothing is wrong, so that a watchdog waits that long."""

import math
from collections import Counter
from collections.abc import Iterable

from ldm3d.config import DownloadConfig
from ldm3d.fetch.outcome import FetchError
from ldm3d.fetch.politeness import share_of
from ldm3d.fetch.urls import host_of, normalise


def longest_fetch_s(urls: Iterable[str], config: DownloadConfig, share_of_host: int = 1, calls: int = 1) -> float:
    """Return an upper bound, in seconds, on one `Fetcher.fetch_all(urls)`, unless hosts redirect to other hosts.

    `config.deadline_s` bounds the time spent on a URL, not its wait in a queue, and `config.max_pause_s` the pauses of
    its host meanwhile. The last URL waits while the call's threads are busy with other URLs, or while its host's slots
    are busy with that host's other URLs, those of parallel calls included. These calls are assumed to be alike, as
    shards are: each a random sample of the metadata.

    Args:
        urls: the URLs of one call.
        config: the limits.
        share_of_host, calls: as given to the `Fetcher`.
    """
    hosts = Counter(host for url in urls if (host := _host(url)))
    if not hosts:
        return 0.0
    for_threads = hosts.total() / max(1, config.threads // calls)
    for_host = max(hosts.values()) * calls / share_of(config.per_host, share_of_host)
    turns = math.ceil(calls / config.threads)  # with fewer threads than calls, each call waits for the others
    own = 1
    return turns * config.deadline_s * (for_threads + for_host + own) + config.max_pause_s


def _host(url: str) -> str:
    try:
        return host_of(normalise(url))
    except FetchError:
        return ""
