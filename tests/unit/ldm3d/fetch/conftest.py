"""What the tests of fetching need: a misbehaving web on loopback, and quick fetchers."""

import contextlib

import pytest

from ldm3d.config import DownloadConfig
from ldm3d.fetch import Fetcher
from tests.builders.web import QUICK, Web


@pytest.fixture(scope="session")
def img2dataset():
    """Has a fetcher import img2dataset, which takes seconds, before any test's clock runs."""
    Fetcher(DownloadConfig()).close()


@pytest.fixture
def web():
    web = Web()
    yield web
    web.close()


@pytest.fixture
def fetcher(img2dataset):
    """Makes fetchers with the quick settings, apart from those given."""
    with contextlib.ExitStack() as stack:
        yield lambda share=1, calls=1, **settings: stack.enter_context(
            Fetcher(DownloadConfig(**QUICK | settings), share, calls)
        )


@pytest.fixture
def fetch(fetcher):
    """Fetches one URL to its end, with the quick settings apart from those given."""

    def one(url, **settings):
        (fetched,) = fetcher(**settings).fetch_all([url])
        return fetched

    return one
