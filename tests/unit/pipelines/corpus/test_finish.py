"""A run that lost most of its downloads for the same network reason says so."""

import pytest

from pipelines.corpus.finish import warn_of_outage
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
def test_most_downloads_of_one_reason_are_an_outage(records, warned, caplog):
    warn_of_outage(records)
    assert warned in caplog.text
    assert bool(caplog.text) == bool(warned)
