"""img2dataset's download behind a guard: addresses, deadlines, byte caps, politeness."""

from ldm3d.fetch.fetcher import Fetched, Fetcher

__all__ = ["Fetched", "Fetcher"]
