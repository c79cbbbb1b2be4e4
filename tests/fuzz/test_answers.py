"""Whatever a server answers, its URL ends once, soon, with the body or a reason; a bad line hides nothing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm3d.config import DownloadConfig
from ldm3d.fetch import Fetcher
from tests.fuzz import examples
from tests.fuzz.answers import BODY, MAX_BYTES, MAX_PAUSE_S, Answer, Site, answers

ADDRESSES = [f"127.0.0.{number}" for number in range(10, 18)]
RETRIES, DEADLINE_S = 1, 2.0
CONFIG = DownloadConfig(
    timeout_s=1.0,
    deadline_s=DEADLINE_S,
    max_pause_s=MAX_PAUSE_S,
    max_bytes=MAX_BYTES,
    retries=RETRIES,
    backoff_s=0.0,
    threads=len(ADDRESSES),
    allow_addresses=tuple(ADDRESSES),
)
SLACK_S = 10.0  # for a busy machine


@pytest.fixture(scope="module")
def site():
    """Servers on as many hosts as there are answers at a time, so that a pause holds up nobody else."""
    Fetcher(CONFIG).close()  # imports img2dataset before any clock runs
    servers = Site(ADDRESSES)
    yield servers
    servers.close()


@given(some=st.lists(answers(), min_size=1, max_size=len(ADDRESSES)))
@examples(at_once=4)
def test_every_url_ends_once_with_the_body_or_a_reason(site: Site, some: list[Answer]):
    site.contents = dict(zip(ADDRESSES, (answer.content for answer in some), strict=False))
    started = time.monotonic()
    with Fetcher(CONFIG) as fetcher:
        fetched = list(fetcher.fetch_all([f"http://{host}:{site.port}/start" for host in site.contents]))
    assert time.monotonic() - started < DEADLINE_S + MAX_PAUSE_S + SLACK_S
    assert sorted(one.index for one in fetched) == list(range(len(some)))
    for one in fetched:
        assert bool(one.reason) == bool(one.detail)
        assert not (one.reason and one.content)
        wanted = some[one.index].wanted
        if wanted is not None:
            assert (one.reason, one.content) == (wanted, b"" if wanted else BODY)
