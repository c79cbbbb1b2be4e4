"""A folder on any fsspec file system, in which a write is complete or absent."""

import json
import os
import posixpath
import re
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.storage.store import CONCURRENCY, Store

Item = TypeVar("Item")
Result = TypeVar("Result")

STREAM_BYTES = 8 * 2**20  # per column
WRITER: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}  # readers notice a flipped bit
DRAFT = re.compile(r"(^|/)\.[^/]+\.[0-9a-f]{32}\.tmp$")  # how `_beside` names a file until it is complete
FOLDER_MARKERS = ("/", "_$folder$")  # empty objects that consoles and Hadoop make to stand for folders


class Folder:
    """One folder: a plain path, `file://`, `s3://` or any other URL that fsspec knows. Methods take relative paths.

    Object stores make an object visible when its upload is complete; a local file is written beside its place and
    renamed. Either way a reader sees the old file or the new one, never a part. Nothing is cached: what other
    processes wrote is seen at once.

    Raises:
        ValueError: the URL is empty, fsspec does not know its protocol, or the package for it is not installed.
    """

    url: str
    """Names the folder in any process: a local path is absolute."""

    def __init__(self, url: str) -> None:
        self.store = Store.of(url)
        self.fs, self.root, self.is_local = self.store.fs, self.store.root, self.store.is_local
        self.url = self.root if self.is_local else url.rstrip("/")

    def path(self, name: str) -> str:
        """Return the full path of a name, as the file system takes it."""
        return posixpath.join(self.root, name) if name else self.root

    def exists(self, name: str = "") -> bool:
        return self._info(name) is not None

    def is_file(self, name: str = "") -> bool:
        info = self._info(name)
        return info is not None and info["type"] == "file"

    def _info(self, name: str) -> dict[str, Any] | None:
        # fs.exists and fs.isfile answer False to some failures of a store
        with suppress(FileNotFoundError, NotADirectoryError), self._named(name):
            return dict(self.fs.info(self.path(name)))
        return None

    def read(self, name: str) -> bytes:
        """Read a whole file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with self._named(name):
            return bytes(self.fs.cat_file(self.path(name)))

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Read bytes `start` to `stop` of a file, or to its end if that comes before.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with self._named(name):
            try:
                return bytes(
                    self.fs.cat_file(self.path(name), start=start, end=stop)
                )  # by name: s3fs has another order
            except OSError:
                info = self._info(name)
                if info is None or info["type"] != "file" or info["size"] > start:
                    raise
                return b""  # S3 refuses a range behind the end, such as any of an empty file

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object.

        Raises:
            FileNotFoundError: there is no such file.
            DamagedError: the file holds something else.
        """
        try:
            return dict(json.loads(self.read(name)))
        except (ValueError, TypeError) as error:
            raise DamagedError(f"{self.url}/{name} is damaged ({error})") from error

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a file for random access."""
        with self._named(name), self.fs.open(self.path(name), "rb") as file:
            yield file

    def read_many(self, names: list[str]) -> list[bytes]:
        """Read many small files concurrently. Returns their contents in the order of `names`."""
        return concurrently(self.read, names)

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Put a whole file in place, replacing what was there."""
        with self._named(name):
            if self.is_local:
                with _beside(Path(self.path(name))) as beside:
                    beside.write_bytes(content)
            else:
                self.fs.pipe_file(self.path(name), bytes(content))

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Put a JSON object in place, indented for people."""
        self.write(name, json.dumps(value, indent=2).encode())

    @contextmanager
    def place(self, name: str) -> Iterator[Path]:
        """Yield a local path for libraries that only write to paths. When the `with` ends without an error, the file
        there is put in place.
        """
        with self._named(name):
            if self.is_local:
                with _beside(Path(self.path(name))) as beside:
                    yield beside
            else:
                with tempfile.TemporaryDirectory() as scratch:
                    draft = Path(scratch, posixpath.basename(name))
                    yield draft
                    self.fs.put_file(str(draft), self.path(name))

    def delete(self, name: str) -> None:
        """Remove a file, or a folder and everything below it. Nothing happens where there is none."""
        # fs.rm takes names for patterns, and on S3 does not report a file that it could not delete
        concurrently(self._delete_file, self.sizes(name))
        if self.is_local:
            for folder, _, _ in os.walk(self.path(name), topdown=False):
                with suppress(OSError):  # another process has put something there
                    Path(folder).rmdir()

    def try_writing(self, name: str) -> None:
        """Check that files can be written: create an empty one, then remove it and the folders made for it.

        Raises:
            OSError: they cannot.
        """
        made = [folder for folder in Path(self.path(name)).parents if not folder.exists()] if self.is_local else []
        self.write(name, b"")
        self._delete_file(name)
        for folder in made:
            with suppress(OSError):  # another process has put something there
                folder.rmdir()

    def drafts(self) -> list[str]:
        """List our unfinished files, whose writers were killed."""
        return [name for name in self.sizes("", ".tmp") if DRAFT.search(name)]

    def delete_drafts(self) -> None:
        """Delete the drafts that killed writers left."""
        for name in self.drafts():
            self.delete(name)

    def _delete_file(self, name: str) -> None:
        with suppress(FileNotFoundError), self._named(name):
            self.fs.rm_file(self.path(name))

    def sizes(self, name: str = "", suffix: str = "") -> dict[str, int]:
        """Map every file below a folder, by relative path, to its size in bytes. Empty if the folder does not exist.

        Raises:
            ValueError: a web server has the folder, which does not list its files and takes none.
        """
        if not self.store.lists:
            raise ValueError(
                f"{self.url!r} is on a web server, which does not list or take files: download it, or give its place "
                "on s3://, hf:// (hf://datasets/OWNER/NAME/FILE for a data set of Hugging Face) or another store"
            )
        with self._named(name):
            found: dict[str, dict[str, Any]] = self.fs.find(self.path(name), detail=True)
        start = len(self.root) + 1
        return {
            path[start:]: int(info["size"])
            for path, info in found.items()
            if path.endswith(suffix) and not path.endswith(FOLDER_MARKERS)
        }

    def parquet_file(self, name: str, **options: Any) -> pq.ParquetFile:
        """Open a parquet file, to read its footer, row groups or columns."""
        with self._named(name):
            return pq.ParquetFile(self.fs.open(self.path(name), "rb"), page_checksum_verification=True, **options)

    def read_batches(
        self, name: str, columns: list[str], rows: int, groups: list[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Read a parquet file, or some of its row groups, in batches of at most `rows` rows, holding little of it in
        memory."""
        with self.parquet_file(name, pre_buffer=False, buffer_size=STREAM_BYTES) as file, self._named(name):
            yield from file.iter_batches(batch_size=rows, columns=columns, row_groups=groups)

    def read_table(self, name: str, columns: list[str] | None = None, row_group: int | None = None) -> pa.Table:
        """Read a parquet file, or one of its row groups, with its schema metadata."""
        with self.parquet_file(name) as file, self._named(name):
            return file.read(columns=columns) if row_group is None else file.read_row_group(row_group, columns=columns)

    def write_tables(self, name: str, groups: Iterable[pa.Table], **options: Any) -> int:
        """Put a parquet file in place, with one row group for each table. Returns its size in bytes.

        The tables share a schema. The file is built in memory, so callers keep it to the size of a shard.

        Raises:
            ValueError: there is no table.
        """
        sink = pa.BufferOutputStream()
        writer = None
        for table in groups:
            writer = writer or pq.ParquetWriter(sink, table.schema, **(WRITER | options))
            writer.write_table(table, row_group_size=max(1, table.num_rows))
        if writer is None:
            raise ValueError(f"{name}: no table to write")
        writer.close()
        content = sink.getvalue()
        self.write(name, memoryview(content))
        return int(content.size)

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Turn every failure of a store into an OSError, and name the file in it and in Arrow's errors."""
        try:
            yield
        except (OSError, pa.ArrowException, *self.store.failures) as error:
            if plainer := self.store.plainer(error, f"{self.url}/{name}"):
                raise plainer from error
            error.add_note(f"{self.url}/{name}")  # a store says "Access Denied" and nothing else
            raise


def concurrently(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call a function that waits for a store, for many items at a time. Returns the results in order."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return list(pool.map(function, items))


class DamagedError(RuntimeError):
    """A file does not hold what was written."""


def is_damage(error: Exception) -> bool:
    """Tell a broken parquet file from a failing store, whose errors carry an errno or have a type of their own."""
    return isinstance(error, pa.ArrowException) or (type(error) is OSError and error.errno is None)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield a path beside a local file. What was written there then replaces the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")  # dataset readers skip names with a dot
    try:
        beside.touch()
        mode = beside.stat().st_mode
        yield beside
        beside.chmod(mode)  # safetensors makes its files readable by their owner alone
        with beside.open("rb") as whole:
            os.fsync(whole.fileno())  # else a power cut may leave an empty file under the final name
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
