"""Pictures that are files on a disk or in a store: read as they are, without the guard of downloads."""

import errno
import posixpath
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from typing import NamedTuple

from ldm3d.config import DownloadConfig
from ldm3d.fetch import Fetched
from ldm3d.fetch.outcome import Outcome
from ldm3d.reject import Reason
from ldm3d.rows.pictures import is_below_the_metadata
from pipelines.storage.folder import Folder

EMPTY = Outcome(Reason.NOT_AN_IMAGE, "there is nothing: it is empty")
NO_FILE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a path. Others are those of a store, and end the run."""


class PictureFile(NamedTuple):
    """Where a picture lies."""

    place: int
    """In the given sequence."""
    file: str | None
    """Path relative to the metadata, or in a store (`s3://...`, `/...`)."""
    offset: int | None
    """Of the picture in the file, in bytes; None if it is the file."""
    length: int | None
    part: str | None = None
    """In place of `file`, one that planning wrote: relative to the folder of these."""

    @property
    def is_there(self) -> bool:
        return self.file is not None or self.part is not None


def metadata_folder(url: str) -> Folder:
    """Return the folder of the metadata, which may be given as a file."""
    folder = Folder(url)
    return Folder(posixpath.dirname(folder.url)) if folder.is_file() else folder


class PictureReader:
    """Reads pictures with several threads."""

    def __init__(self, input_url: str, config: DownloadConfig, parts_url: str = "") -> None:
        """Start the threads.

        Args:
            parts_url: folder of the files that planning wrote.
        """
        self.input_url, self.parts_url, self.max_bytes = input_url, parts_url, config.max_bytes
        self.threads = ThreadPoolExecutor(config.threads)
        self.window = config.threads  # files read, and not yet taken

    @cached_property
    def folder(self) -> Folder:
        return metadata_folder(self.input_url)

    def read_all(self, files: Iterable[PictureFile]) -> Iterator[Fetched]:
        """Yield what each file holds, or why it is not to be used.

        Raises:
            OSError: a store fails.
        """
        waiting: deque[Future[Fetched]] = deque()
        for file in files:
            waiting.append(self.threads.submit(self._read, file))
            if len(waiting) >= self.window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _read(self, file: PictureFile) -> Fetched:
        if file.length == 0:
            return Fetched.of(file.place, EMPTY, 1)
        folder, name = self._placed(file)
        start = file.offset or 0
        most = self.max_bytes + 1 if file.length is None else min(file.length, self.max_bytes + 1)
        try:
            content = folder.read_range(name, start, start + most)
        except OSError as error:
            if file.part is not None:  # it was written for this: an output without it is made again
                raise
            return Fetched.of(file.place, _judged(error, file.file or name), 1)
        if len(content) > self.max_bytes:
            outcome = Outcome(Reason.TOO_MANY_BYTES, f"more than {self.max_bytes} bytes")
        elif file.length is not None and len(content) < file.length:
            outcome = Outcome(Reason.TRUNCATED, f"{file.file or name} ends within the picture")
        else:
            outcome = Outcome(content=content)
        return Fetched.of(file.place, outcome, 1)

    def _placed(self, picture: PictureFile) -> tuple[Folder, str]:
        if picture.part is not None:
            return _folder(self.parts_url), picture.part
        file = picture.file or ""
        if is_below_the_metadata(file):
            return self.folder, posixpath.normpath(file)
        place, _, name = file.rpartition("/")
        return _folder(place or "/"), name


@cache  # a corpus has few folders; opening one takes longer than reading a picture
def _folder(url: str) -> Folder:
    return Folder(url)


def _judged(error: OSError, file: str) -> Outcome:
    """Return what an error means for a picture.

    Raises:
        OSError: it is not about the picture.
    """
    if isinstance(error, FileNotFoundError) or error.errno in NO_FILE:
        return Outcome(Reason.FILE_NOT_FOUND, f"{file} does not exist")
    if isinstance(error, PermissionError):
        return Outcome(Reason.FILE_FORBIDDEN, f"{file} may not be read")
    raise error
