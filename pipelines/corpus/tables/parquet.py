"""Parquet files as metadata."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ldm3d.rows.metadata import holds_depth
from pipelines.corpus.tables.table import Table, TableFacts
from pipelines.storage.folder import is_damage


class ParquetTable(Table):
    """A parquet file. Only its footer is read to learn the facts."""

    def facts(self, depth: str | None) -> TableFacts:
        try:
            with self.folder.parquet_file(self.name) as file:
                schema, metadata = file.schema_arrow, file.metadata
                paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
                leaves = [
                    i for i, path in enumerate(paths) if depth is not None and f"{path}.".startswith(f"{depth}.")
                ]
                groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)] if leaves else []
                size = sum(group.column(i).total_uncompressed_size for group in groups for i in leaves)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: of column names
            if isinstance(error, OSError) and not is_damage(error):
                raise
            raise self.unreadable("parquet", error) from error
        if unfit := [field.type for field in schema if field.name == depth and not holds_depth(field.type)]:
            raise ValueError(
                f"--label.column {depth!r} of {self.folder.path(self.name)} is of type {unfit[0]}; wanted files "
                "(binary, or datasets' pictures) or their paths (string)"
            )
        pictures = tuple(field.name for field in schema if pa.types.is_struct(field.type) and holds_depth(field.type))
        return TableFacts(metadata.num_rows, schema.names, size, pictures=pictures)

    def batches(self, columns: list[str], rows: int, reading: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        del reading
        yield from self.folder.read_batches(self.name, columns, rows)
