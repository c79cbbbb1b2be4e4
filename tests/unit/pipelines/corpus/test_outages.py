"""Hosts, or a whole run, that lost nearly all downloads for the same network reason are named."""

import pytest

from ldm3d.schema import reject_rows
from pipelines.corpus.outages import hosts_out, tally, warn_of_outages
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record


def record(kept: int, **rejected: int) -> Record:
    return Record("train-00000", kept + sum(rejected.values()), kept, rejected, {})


@pytest.mark.parametrize(
    ("records", "warned"),
    [
        ([record(1, dns_failed=30), record(0, dns_failed=31)], "61 of 62 downloads failed with dns_failed"),
        ([record(40, dns_failed=30), record(0, dns_failed=31)], "61 of 101 downloads failed with dns_failed"),
        ([record(40, timeout=30, dns_failed=11)], ""),
        ([record(1, http_not_found=90)], ""),  # said of the picture: it will not be there tomorrow
        ([], ""),
    ],
)
def test_most_downloads_of_one_reason_are_an_outage(records, warned, caplog, tmp_path):
    warn_of_outages(Folder(str(tmp_path)), records)  # whose shards have no files here
    assert warned in caplog.text
    assert bool(caplog.text) == bool(warned)


def rejects(host: str, **reasons: int) -> list[tuple[str, str]]:
    return [(f"http://{host}/{number}", name) for name, count in reasons.items() for number in range(count)]


def test_a_host_is_out_when_nearly_all_its_downloads_end_with_one_reason():
    found = tally(
        [
            rejects("paused.example:81", rate_limited=9),
            rejects("PAUSED.example", rate_limited=10, timeout=1),
            rejects("small.example", timeout=9),
            rejects("mixed.example", timeout=20, dns_failed=20),
            rejects("gone.example", http_not_found=50),
            rejects("dead.example", dns_failed=40),
        ]
    )
    assert hosts_out(found) == [
        "dead.example: 40 of 40 downloads ended with dns_failed",
        "paused.example: 19 of 20 downloads ended with rate_limited",
    ]


def test_the_log_names_five_hosts_and_says_once_what_tries_their_rows_again(caplog, tmp_path):
    output = Folder(str(tmp_path))
    urls = [f"http://{host}.example/x" for host in "abcdefg" for _ in range(12)]
    rejects = reject_rows(list(range(84)), "download", ["timeout"] * 84, [""] * 84, urls)
    output.write_tables("rejects/train/00000.parquet", [rejects])
    warn_of_outages(output, [record(4, timeout=84)])
    assert [line.getMessage() for line in caplog.records] == [
        "84 of 88 downloads failed with timeout, which suggests an outage or a block: look at the details in rejects/",
        *(f"host {host}.example: 12 of 12 downloads ended with timeout" for host in "abcde"),
        "the same holds for 2 more hosts",
        "when the cause is gone, the same command with --retry-rejects transport tries these rows again",
    ]
