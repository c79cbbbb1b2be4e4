"""Parquet files as metadata."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ldm3d.rows.embedded import may_hold_pictures
from ldm3d.rows.metadata import holds_depth
from pipelines.corpus.tables.table import Table, TableFacts
from pipelines.storage.folder import is_damage


class Span(NamedTuple):
    """Row groups that follow each other."""

    groups: list[int]
    first: int
    """Number of their first row in the file, from 0."""
    rows: int
    size: int
    """Bytes of one column of them, in memory."""


class ParquetTable(Table):
    """A parquet file. Only its footer is read to learn the facts."""

    def facts(self, depth: str | None) -> TableFacts:
        try:
            with self.folder.parquet_file(self.name) as file:
                schema, metadata = file.schema_arrow, file.metadata
                wanted = [field.name for field in schema if field.name == depth or may_hold_pictures(field.type)]
                sizes = {name: sum(_sizes(metadata, name)) for name in wanted}
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: of column names
            if isinstance(error, OSError) and not is_damage(error):
                raise
            raise self.unreadable("parquet", error) from error
        if unfit := [field.type for field in schema if field.name == depth and not holds_depth(field.type)]:
            raise ValueError(
                f"--label.column {depth!r} of {self.folder.path(self.name)} is of type {unfit[0]}; wanted files "
                "(binary, or datasets' pictures) or their paths (string)"
            )
        pictures = {field.name: sizes[field.name] for field in schema if may_hold_pictures(field.type)}
        return TableFacts(metadata.num_rows, schema.names, sizes.get(depth or "", 0), pictures=pictures)

    def batches(self, columns: list[str], rows: int, reading: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        """Read all rows, or those of `reading["groups"]`."""
        yield from self.folder.read_batches(self.name, columns, rows, reading.get("groups"))

    def spans(self, column: str, most: int) -> list[Span]:
        """Cut the file between row groups, into pieces of at most `most` bytes of a column, or of one row group."""
        with self.folder.parquet_file(self.name) as file:
            metadata = file.metadata
        spans: list[Span] = []
        first = 0
        for group, size in enumerate(_sizes(metadata, column)):
            rows = metadata.row_group(group).num_rows
            if spans and spans[-1].size + size <= most:
                last = spans[-1]
                spans[-1] = Span([*last.groups, group], last.first, last.rows + rows, last.size + size)
            elif rows:
                spans.append(Span([group], first, rows, size))
            first += rows
        return spans


def _sizes(metadata: pq.FileMetaData, column: str) -> list[int]:
    """Return the bytes of a column in memory, by row group."""
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    leaves = [i for i, path in enumerate(paths) if f"{path}.".startswith(f"{column}.")]
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)] if leaves else []
    return [sum(group.column(i).total_uncompressed_size for i in leaves) for group in groups]
