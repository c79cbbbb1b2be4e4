"""Which cluster a run gets: one that is named, one that `ray start` has left on this machine, or its own."""

import os
import sys
from pathlib import Path


def starts_cluster(address: str | None) -> bool:
    """Return whether `ray.init` will start a cluster, without the seconds that the import of Ray takes.

    Args:
        address: of the settings.
    """
    named = address or os.environ.get("RAY_ADDRESS")
    return named == "local" if named else not address_file().exists()


def address_file() -> Path:
    """Return where `ray start` writes the address of its cluster: what Ray's `get_ray_address_file` returns."""
    default = os.environ.get("TMPDIR", "/tmp") if sys.platform.startswith("linux") else "/tmp"
    return Path(os.environ.get("RAY_TMPDIR", default), "ray", "ray_current_cluster")
