"""A folder on any fsspec file system, with writes that are whole or absent."""

import posixpath
import uuid
from collections.abc import Iterable
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem


class Folder:
    """One folder, `file://`, `s3://` or a plain path. Paths given to its methods are relative to it.

    Object stores make an object visible when its upload is complete; a local file is written beside its place and
    renamed. Either way a reader sees the old file or the new one, never a part.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # listings are not cached: other processes write here
        self.fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        self.root = root.rstrip("/")

    def path(self, name: str) -> str:
        """The full path of a name, as the file system takes it."""
        return posixpath.join(self.root, name) if name else self.root

    def exists(self, name: str = "") -> bool:
        return bool(self.fs.exists(self.path(name)))

    def is_file(self, name: str = "") -> bool:
        return bool(self.fs.isfile(self.path(name)))

    def read(self, name: str) -> bytes:
        """
        Raises:
            FileNotFoundError: there is no such file.
        """
        return bytes(self.fs.cat_file(self.path(name)))

    def read_many(self, names: list[str]) -> list[bytes]:
        """The contents of many small files, fetched together where the file system can."""
        if not names:
            return []
        paths = [self.path(name) for name in names]
        found = self.fs.cat(paths, on_error="raise")
        return [bytes(found[self.fs._strip_protocol(path)]) for path in paths]

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file in place, replacing what was there."""
        path = self.path(name)
        if isinstance(self.fs, LocalFileSystem):
            self.fs.makedirs(posixpath.dirname(path), exist_ok=True)
            beside = f"{path}.{uuid.uuid4().hex}.tmp"
            self.fs.pipe_file(beside, content)
            self.fs.mv(beside, path)
        else:
            self.fs.pipe_file(path, content)

    def delete(self, name: str) -> None:
        """Remove a file or a folder; fine where there is none."""
        if self.exists(name):
            self.fs.rm(self.path(name), recursive=True)

    def sizes(self, name: str = "", suffix: str = "") -> dict[str, int]:
        """Every file below a folder with its size in bytes, by relative path; empty where there is no folder."""
        if not self.exists(name):
            return {}
        found: dict[str, dict[str, Any]] = self.fs.find(self.path(name), detail=True)
        start = len(self.root) + 1
        return {path[start:]: int(info["size"]) for path, info in found.items() if path.endswith(suffix)}

    def parquet_file(self, name: str) -> pq.ParquetFile:
        """A parquet file opened for reading its footer, row groups or columns."""
        return pq.ParquetFile(self.fs.open(self.path(name), "rb"))

    def read_table(self, name: str, columns: list[str] | None = None, row_group: int | None = None) -> pa.Table:
        """A parquet file, or one of its row groups, with its schema metadata."""
        with self.parquet_file(name) as file:
            return file.read(columns=columns) if row_group is None else file.read_row_group(row_group, columns=columns)

    def write_tables(self, name: str, groups: Iterable[pa.Table], **options: Any) -> int:
        """Put a parquet file in place, one row group a table, all of one schema. Returns its size in bytes.

        The file is made in memory: callers keep it to the size of a shard.
        """
        sink = pa.BufferOutputStream()
        writer = None
        for table in groups:
            writer = writer or pq.ParquetWriter(sink, table.schema, **({"compression": "zstd"} | options))
            writer.write_table(table, row_group_size=max(1, table.num_rows))
        if writer is None:
            raise ValueError(f"{name}: no table to write")
        writer.close()
        content = sink.getvalue()
        self.write(name, content.to_pybytes())
        return int(content.size)
