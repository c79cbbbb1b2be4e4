"""img2dataset's download behind a guard: addresses, deadlines, byte caps, politeness."""

from ldm3d.fetch.fetcher import Fetcher
from ldm3d.fetch.outcome import Fetched

__all__ = ["Fetched", "Fetcher"]
