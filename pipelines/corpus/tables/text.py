"""CSV and TSV files as metadata.

People write them in more ways than one, so what the file shows decides: the separator is the most frequent one in the
header. Where quotes do not match, as of a caption that begins with one, they may be letters like any other: a lone
quote would swallow the rows after it. Of both readings the one with more whole rows is taken then.
"""

import csv
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv

from pipelines.corpus.tables.table import Table, TableFacts
from pipelines.corpus.tables.utf8 import Utf8Stream, opened

SEPARATORS = (",", "\t", ";", "|")
BLOCK_BYTES = 8 * 2**20


class TextTable(Table):
    """A file with a header and a row a line, may it be compressed (`.csv.gz`).

    A row with too many values or too few stays a row, without values: its pictures are rejected, not lost.
    """

    def facts(self, depth: str | None) -> TableFacts:
        del depth
        try:
            header = self._header()
            separator = max(SEPARATORS, key=header.count)
            choices = (True,) if self._quotes_match(separator) else (True, False)
            found = [self._try({"separator": separator, "quotes": quotes}) for quotes in choices]
        except (pa.ArrowException, EOFError, zlib.error) as error:
            raise self.unreadable("CSV", error) from error
        best = min(found, key=lambda facts: (facts.reading["broken"], -facts.rows))
        if any("://" in name for name in best.columns):
            raise ValueError(
                f"--input: {self.folder.path(self.name)} begins with {best.columns}, which looks like a row: add a "
                f"line above it that names the columns, such as {separator.join(['url', 'caption'])!r}"
            )
        return best

    def batches(self, columns: list[str], rows: int, reading: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        broken: list[int] = []
        with self._opened(reading, broken, columns) as reader:
            for batch in reader:
                yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))
            schema = reader.schema
        for start in range(0, len(broken), rows):
            count = len(broken[start : start + rows])
            yield pa.RecordBatch.from_arrays([pa.nulls(count, kind) for kind in schema.types], schema=schema)

    def _try(self, reading: dict[str, Any]) -> TableFacts:
        """Read the whole file in one way. `broken` counts the rows that are not whole."""
        broken: list[int] = []
        with self._opened(reading, broken) as reader:
            rows = sum(batch.num_rows for batch in reader)
            names = reader.schema.names
        return TableFacts(rows + len(broken), names, reading=reading | {"broken": len(broken)})

    def _header(self) -> str:
        """Return the first line."""
        with self._utf8() as file:
            start = file.read(2**16).decode("utf-8", "replace")
        return next(iter(start.splitlines()), "")

    def _quotes_match(self, separator: str) -> bool:
        """Whether every quoted value ends, at a separator or at the end of its row."""
        with self._utf8() as file, io.TextIOWrapper(file, "utf-8", newline="") as text:
            try:
                for _ in csv.reader(text, delimiter=separator, strict=True):
                    pass
            except csv.Error:
                return False
        return True

    @contextmanager
    def _opened(
        self, reading: dict[str, Any], broken: list[int], columns: list[str] | None = None
    ) -> Iterator[pyarrow.csv.CSVStreamingReader]:
        """Open the file. Values are bytes, as whoever reads them judges what they are; an empty one is null.

        Args:
            broken: gets an element for each row that is not whole.
            columns: to read; None for all.
        """

        def pass_over(row: pyarrow.csv.InvalidRow) -> str:
            broken.append(row.actual_columns)
            return "skip"

        names = columns if columns is not None else self._names(reading)
        with self._utf8() as file:
            yield pyarrow.csv.open_csv(
                file,
                pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                _parsing(reading, pass_over),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_binary()),
                    include_columns=columns,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )

    def _names(self, reading: dict[str, Any]) -> list[str]:
        with self._utf8() as file:
            options = pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
            return list(pyarrow.csv.open_csv(file, options, _parsing(reading, lambda _: "skip")).schema.names)

    @contextmanager
    def _utf8(self) -> Iterator[io.BufferedReader]:
        with opened(self.folder, self.name) as file:
            yield io.BufferedReader(Utf8Stream(file))


def _parsing(reading: dict[str, Any], pass_over: Any) -> pyarrow.csv.ParseOptions:
    quotes = reading["quotes"]
    return pyarrow.csv.ParseOptions(
        delimiter=reading["separator"],
        quote_char='"' if quotes else False,
        double_quote=quotes,
        newlines_in_values=quotes,
        invalid_row_handler=pass_over,
    )
