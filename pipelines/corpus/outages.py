"""Hosts, or the whole web, that were out of reach while a corpus was made: said loudly, as rows were lost to it."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from urllib.parse import urlsplit

from ldm3d.reject import TRANSPORT
from ldm3d.schema import REJECT, RGBD
from pipelines.corpus.retry import rows_to_retry
from pipelines.storage.folder import Folder, concurrently
from pipelines.storage.shards import Record, read_rows, totals

logger = logging.getLogger(__name__)

SHARDS_READ = 1_000  # rows are spread over the shards at random, so these stand for all
LEAST_URLS = 10  # of a host, before it is said to be out
OUT = 0.9  # share of a host's downloads that end with one reason
HOSTS_NAMED = 5
Outcomes = dict[str, Counter[str]]
"""By host: how many of its URLs ended with which reason, "" for those kept."""


def warn_of_outages(output: Folder, records: list[Record]) -> None:
    """Log a warning for hosts, and for the run, of whose downloads nearly all failed for one transport reason."""
    rows, _, rejected = totals(records)
    transport = {reason: count for reason, count in rejected.items() if reason in TRANSPORT}
    reason, count = max(transport.items(), key=lambda each: each[1], default=("", 0))
    told = []
    if count > rows / 2:
        told.append(
            f"{count} of {rows} downloads failed with {reason}, which suggests an outage or a block: look at the "
            "details in rejects/"
        )
    shards = [record.name for record in records if rows_to_retry(record)][:SHARDS_READ]
    hosts = hosts_out(tally(concurrently(lambda name: _endings(output, name), shards)))
    told += [f"host {host}" for host in hosts[:HOSTS_NAMED]]
    if len(hosts) > HOSTS_NAMED:
        told.append(f"the same holds for {len(hosts) - HOSTS_NAMED} more hosts")
    if told:
        told.append("when the cause is gone, the same command with --retry-rejects transport tries these rows again")
    for line in told:
        logger.warning("%s", line)


def hosts_out(outcomes: Outcomes) -> list[str]:
    """Describe the hosts of whose downloads nearly all ended with one transport reason, the largest first."""
    out = []
    for host, reasons in outcomes.items():
        (reason, count), asked = reasons.most_common(1)[0], reasons.total()
        if reason in TRANSPORT and asked >= LEAST_URLS and count >= OUT * asked:
            out.append((-asked, f"{host}: {count} of {asked} downloads ended with {reason}"))
    return [line for _, line in sorted(out)]


def tally(shards: Iterable[Iterable[tuple[str, str]]]) -> Outcomes:
    """Count URLs and the reasons that they ended with, shard by shard, by host."""
    outcomes: Outcomes = defaultdict(Counter)
    for shard in shards:
        for url, reason in shard:
            outcomes[_host(url)][reason] += 1
    return outcomes


def _endings(output: Folder, shard: str) -> list[tuple[str, str]]:
    """Read with which reason each URL of a shard ended."""
    rejects = read_rows(output, shard, "rejects", REJECT, ["url", "reason"])
    kept = read_rows(output, shard, "rgbd", RGBD, ["url"])["url"].to_pylist()
    return [*zip(rejects["url"].to_pylist(), rejects["reason"].to_pylist(), strict=True), *((url, "") for url in kept)]


def _host(url: str) -> str:
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""
