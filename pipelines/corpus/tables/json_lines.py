"""JSON as metadata: an object a line, or one list of objects."""

import io
import json
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from pipelines.corpus.tables.table import Table, TableFacts
from pipelines.corpus.tables.utf8 import Utf8Stream, opened

KINDS = (str, int, float)  # of values that a column may hold; others are null


class JsonTable(Table):
    """A file of objects. A line that is not one stays a row, without values: its picture is rejected, not lost."""

    def facts(self, depth: str | None) -> TableFacts:
        del depth
        rows, names = 0, dict[str, None]()
        try:
            for row in self._rows():
                rows += 1
                names |= dict.fromkeys(row)
        except (EOFError, zlib.error, ValueError) as error:
            raise self.unreadable("JSON", error) from error
        if rows and not names:
            raise self.unreadable("JSON", ValueError("no line is an object"))
        return TableFacts(rows, list(names))

    def batches(self, columns: list[str], rows: int, reading: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        del reading
        content = self._rows()
        try:
            while found := list(islice(content, rows)):
                values = {name: [_bytes(row.get(name)) for row in found] for name in columns}
                arrays = [pa.array(values[name], pa.large_binary()) for name in columns]
                yield pa.RecordBatch.from_arrays(arrays, columns)
        except (EOFError, zlib.error, ValueError) as error:
            raise pa.ArrowInvalid(str(error)) from error

    def _rows(self) -> Iterator[dict[str, Any]]:
        with opened(self.folder, self.name) as file:
            text = io.TextIOWrapper(io.BufferedReader(Utf8Stream(file)), "utf-8", newline="\n")
            first = next((line for line in text if line.strip()), "")
            if first.lstrip().startswith("["):
                listed = json.loads(first + text.read())
                yield from (row if isinstance(row, dict) else {} for row in listed)
                return
            if first:
                yield _object(first)
            yield from (_object(line) for line in text if line.strip())


def _object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _bytes(value: Any) -> bytes | None:
    """Return a value as text, as columns of mixed kinds have it. JSON may hold halves of surrogate pairs."""
    if not isinstance(value, KINDS) or isinstance(value, bool):
        return None
    return str(value).encode("utf-8", "replace")
