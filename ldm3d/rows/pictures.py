"""Which pictures of a table are files, to be read from a store, and which ones a web has."""

import posixpath
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import pyarrow as pa

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_web(url: str) -> bool:
    """Whether a URL is of the web, whose hosts and addresses are not to be trusted."""
    return url.lstrip().lower().startswith(("http://", "https://"))


def is_below_the_metadata(url: str) -> bool:
    """Whether a URL is a relative path, which cannot lead out of the folder of the metadata."""
    path = posixpath.normpath(url)
    return not (_SCHEME.match(url) or path.startswith(("/", "..", "~")) or "\0" in url or not url.strip())


def allowed_file(url: str, under: Sequence[str]) -> str | None:
    """Return how a picture is read from a store: a path below the metadata, or below one of the places in `under`.

    Args:
        under: folders or buckets, as a user names them: `/data/pictures`, `s3://bucket/pictures`.

    Returns:
        The path as it is; None for what is of the web, or elsewhere.
    """
    if is_web(url):
        return None
    if is_below_the_metadata(url):
        return url
    plain = _plain(url)
    allowed = (place for place in map(_plain, under) if plain.startswith(place.rstrip("/") + "/"))
    return url if next(allowed, None) else None


def files_of(urls: Sequence[str], under: Sequence[str]) -> pa.Array:
    """Return `allowed_file` of each URL, as strings."""
    return pa.array([allowed_file(url, under) for url in urls], pa.string())


def common_places(urls: Sequence[str]) -> list[str]:
    """Return the places of stores that URLs are in, to propose them: of each bucket the folder that holds all."""
    folders: dict[str, list[str]] = {}
    for url in urls:
        parts = urlsplit(_plain(url))
        if not is_web(url) and parts.path.startswith("/"):
            store = f"{parts.scheme}://{parts.netloc}" if parts.scheme else ""
            folders.setdefault(store, []).append(posixpath.dirname(parts.path) or "/")
    return sorted(f"{store}{posixpath.commonpath(found)}".removesuffix("/") or "/" for store, found in folders.items())


def _plain(url: str) -> str:
    """Write a path without `.` and `..`, and a local one without `file://`."""
    scheme, separator, path = url.rpartition("://")
    normal = posixpath.normpath(path)
    return normal if scheme in ("", "file") else f"{scheme.lower()}{separator}{normal}"
