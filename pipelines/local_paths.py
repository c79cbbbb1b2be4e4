"""Paths in a configuration, for processes that may run in another folder than the one it was given in."""

from pathlib import Path


def absolute(name: str) -> str:
    """The absolute path of a local file or folder; a hub id, URL or keyword as it is."""
    path = Path(name)
    return str(path.absolute()) if path.exists() else name
