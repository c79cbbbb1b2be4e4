"""The stores that folders are on: local disks, S3, a hub, a web server. How they are opened, and how they fail."""

import errno
import os
from dataclasses import dataclass
from typing import Any, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem

CONCURRENCY = 32  # requests at a time where many small files are read or deleted
S3_OPTIONS: dict[str, Any] = {
    # About 15 s of patience (31 at most) for one request; the default gives up after 2 to 15.
    "config_kwargs": {
        "retries": {"mode": "standard", "total_max_attempts": 6},
        "max_pool_connections": CONCURRENCY,
    },
    # Parquet readers ask for the ranges they need: reading ahead would fetch a whole shard for the keys in it.
    "default_cache_type": "none",
    # A file is read by one GET, which sees one version of it; in parallel ranges it could be a mixture of two.
    "max_concurrency": 1,
}
S3_RETRIES = 3  # s3fs's own, around those above (its default is 5): throttled requests, broken answers
HUB_TOKEN = ": set HF_TOKEN to the token of an account that has access (granted on its page), here and on every node"


@dataclass(frozen=True)
class Store:
    """A file system of fsspec that caches nothing, and what is known of its failures."""

    fs: Any
    root: str
    """The folder, as the file system takes it."""
    is_local: bool
    lists: bool
    """It can tell which files it has, and take others: a web server cannot."""
    failures: tuple[type[Exception], ...] = ()
    """What it raises beside OSError when it fails."""
    remedy: str = ""
    """What to do if it refuses access."""

    @classmethod
    def of(cls, url: str) -> Self:
        """Open the store of a folder.

        Raises:
            ValueError: the URL is empty, fsspec does not know its protocol, or the package for it is not installed.
        """
        if not url:  # fsspec would take it for the current folder
            raise ValueError("an empty path was given; wanted a folder, local or s3:// (is a variable unset?)")
        protocol = fsspec.core.split_protocol(url)[0]
        is_s3, is_http = protocol in ("s3", "s3a"), protocol in ("http", "https")
        try:
            fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False, **(_s3_options() if is_s3 else {}))
        except ImportError as error:
            raise ValueError(
                f"{url!r}: no package for {protocol}:// is installed, here or on a worker: {error}"
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{url!r}: {error}; wanted a path, s3:// or another protocol that fsspec knows"
            ) from error
        if is_s3:
            fs.retries = S3_RETRIES
        is_local = isinstance(fs, LocalFileSystem)
        root = os.path.normpath(root) if is_local else root.rstrip("/")
        failures = _s3_failures() if is_s3 else _http_failures() if is_http else ()
        return cls(fs, root, is_local, not is_http, failures, HUB_TOKEN if protocol == "hf" else "")

    def plainer(self, error: Exception, file: str) -> OSError | None:
        """Return an error that says what an error of the store means; None if it says so itself.

        Args:
            file: URL of the file that the error is about.
        """
        failure: BaseException = error
        if isinstance(error, FileNotFoundError) and error.__cause__ and _status(error.__cause__) not in (404, 410):
            failure = error.__cause__  # fsspec calls a file absent, too, that a web server or hub does not show
        told = f"{file}: {' '.join(str(failure).split())}"
        if _status(failure) in (401, 403):
            return PermissionError(errno.EACCES, told + self.remedy)
        return OSError(errno.EIO, told) if isinstance(failure, self.failures) else None


def _s3_options() -> dict[str, Any]:
    """Return the options above, but for what the user has set (`FSSPEC_S3`, or a file of fsspec's configuration)."""
    users = fsspec.config.conf.get("s3", {}) | fsspec.config.conf.get("s3a", {})
    ours = {name: value for name, value in S3_OPTIONS.items() if name not in users}
    return ours | {"config_kwargs": S3_OPTIONS["config_kwargs"] | users.get("config_kwargs", {})}


def _s3_failures() -> tuple[type[Exception], ...]:
    """List what s3fs raises beside OSError: no credentials, no connection, an answer that keeps breaking off."""
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError

    return BotoCoreError, ClientError


def _http_failures() -> tuple[type[Exception], ...]:
    from aiohttp import ClientError

    return (ClientError,)


def _status(error: BaseException) -> int | None:
    """Return the status in the answer that an error stands for: as aiohttp has it, or as Hugging Face's hub."""
    response = getattr(error, "response", None)
    found: int | None = getattr(error, "status", None) or getattr(response, "status_code", None)
    return found
