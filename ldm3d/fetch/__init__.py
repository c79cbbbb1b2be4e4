"""img2dataset's download behind a guard: addresses, deadlines, byte caps, politeness."""

from ldm3d.fetch.fetched import Fetched
from ldm3d.fetch.fetcher import Fetcher

__all__ = ["Fetched", "Fetcher"]
