"""Foreign metadata tables -> ours: one `Columns` per publisher, and an adapter that never raises for a bad row."""

from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names that one publisher gives to the columns we read; None if it has no such column."""

    url: str
    caption: str
    width: str | None = None
    height: str | None = None
    similarity: str | None = None
    nsfw: str | None = None  # a word (UNLIKELY, UNSURE, NSFW), or if `nsfw_is_score`, a probability in [0, 1]
    nsfw_is_score: bool = False
    depth: str | None = None  # a file, or its path; named in the settings, by no publisher

    def names(self) -> list[str]:
        """Return the columns to read."""
        return [value for field in fields(self) if isinstance(value := getattr(self, field.name), str)]


LAION = Columns(url="URL", caption="TEXT", width="WIDTH", height="HEIGHT", similarity="similarity", nsfw="NSFW")
PUBLISHERS = {
    "laion400m": LAION,
    "laion5b": replace(LAION, nsfw="punsafe", nsfw_is_score=True),
    "coyo": Columns(
        url="url",
        caption="text",
        width="width",
        height="height",
        similarity="clip_similarity_vitl14",
        nsfw="nsfw_score_opennsfw2",
        nsfw_is_score=True,
    ),
    "datacomp": Columns(
        url="url",
        caption="text",
        width="original_width",
        height="original_height",
        similarity="clip_l14_similarity_score",
    ),
    "cc12m": Columns(url="url", caption="caption"),
    "relaion": replace(
        LAION, url="url", caption="caption", width="width", height="height", nsfw="punsafe", nsfw_is_score=True
    ),
}

# Parts of column names that suggest what a column holds, whoever published it.
_HINTS = {"nsfw": ("nsfw", "safe"), "similarity": ("similarity", "clip"), "width": ("width",), "height": ("height",)}


def recognise(names: list[str], publisher: str = "auto") -> Columns:
    """Return the `Columns` for a table with these column names: those of the publisher that shares most of them.

    Raises:
        ValueError: no publisher fits, or the named one does not.
    """
    if publisher != "auto":
        columns = PUBLISHERS[publisher]
        if missing := [name for name in (columns.url, columns.caption) if name not in names]:
            raise ValueError(f"--select.columns is {publisher!r}, which needs {missing}; the input has {names}")
        return _only(columns, names)
    fitting = [
        _only(columns, names) for columns in PUBLISHERS.values() if {columns.url, columns.caption} <= set(names)
    ]
    if fitting:
        return max(fitting, key=lambda columns: len(columns.names()))  # among equals, the first
    known = {publisher: [columns.url, columns.caption] for publisher, columns in PUBLISHERS.items()}
    raise ValueError(
        f"no URL and caption columns recognised in {names}; wanted one of {known}. "
        "Rename the columns, or add a line to ldm3d.rows.metadata.PUBLISHERS."
    )


def repeated(names: list[str], wanted: list[str]) -> list[str]:
    """Return which of the wanted columns a table has more than once, so that nobody knows which one is meant."""
    return [name for name in wanted if names.count(name) > 1]


def passed_over(names: list[str], columns: Columns) -> dict[str, list[str]]:
    """Return, for each field that `columns` lacks, the columns of the table that look like it nevertheless."""
    unread = [name for name in names if name not in columns.names()]
    found = {
        field: [name for name in unread if any(hint in name.lower() for hint in hints)]
        for field, hints in _HINTS.items()
        if getattr(columns, field) is None
    }
    return {field: similar for field, similar in found.items() if similar}


def adapt(table: pa.Table, columns: Columns) -> pa.Table:
    """Convert foreign rows to url, caption, nsfw: string; width, height, similarity: float64. One row in, one row out.

    A value of the wrong type, or that is not a number, becomes null, to be judged like any other bad row. So does a
    URL that is not UTF-8, as nobody knows which one was meant; in a caption U+FFFD replaces such bytes. Control
    characters in captions become spaces. A score becomes a word: UNLIKELY below 0.1, NSFW above 0.9, UNSURE between.
    """
    texts = {"url": _texts(table, columns.url), "caption": clean_captions(table, columns.caption)}
    numbers = {name: _numbers(table, getattr(columns, name)) for name in ("width", "height", "similarity")}
    if columns.nsfw_is_score:
        score = _numbers(table, columns.nsfw)
        word = pc.if_else(pc.greater(score, 0.9), "NSFW", "UNSURE")
        word = pc.if_else(pc.less(score, 0.1), "UNLIKELY", word)
        nsfw = pc.if_else(pc.is_valid(score), word, pa.scalar(None, pa.string()))
    else:
        nsfw = _texts(table, columns.nsfw)
    return pa.table({**texts, **numbers, "nsfw": nsfw})


def depth_cells(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column with depth as large_binary, null where there is none: files, or their paths in UTF-8.

    Pictures in the form of Hugging Face `datasets`, struct<bytes, path>, count as their bytes, or else as their path.
    """
    values = _values(table, name)
    if pa.types.is_struct(values.type):
        parts = [pc.struct_field(values, part).cast(pa.large_binary()) for part in ("bytes", "path")]
        return pc.coalesce(*parts)
    return values.cast(pa.large_binary()) if _is_text(values.type) else _nulls(table, pa.large_binary())


def holds_depth(kind: pa.DataType) -> bool:
    """Return whether a column of this type may hold depth as `depth_cells` reads it."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        return all(part in names and _is_text(kind.field(part).type) for part in ("bytes", "path"))
    return _is_text(kind)


def clean_captions(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column of captions, trimmed and without control characters, null where there is no text."""
    captions = _texts(table, name, replaces=True)
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(captions, r"[\p{Cc}\p{Zl}\p{Zp}]+", " "))


def _only(columns: Columns, names: list[str]) -> Columns:
    """Return `columns` without the optional ones that a table lacks."""
    asked = {field.name: getattr(columns, field.name) for field in fields(columns)}
    absent = [name for name, column in asked.items() if isinstance(column, str) and column not in names]
    return replace(columns, **dict.fromkeys(absent))  # type: ignore[arg-type]


def _texts(table: pa.Table, name: str | None, *, replaces: bool = False) -> pa.ChunkedArray:
    """Return a column as strings, null where a value is not text, or not UTF-8 unless `replaces` is set.

    Parquet readers trust a file that its strings are UTF-8, so they are checked here.
    """
    values = _values(table, name)
    if not _is_text(values.type):
        return _nulls(table, pa.string())
    raw = values.cast(pa.large_binary())
    with suppress(pa.ArrowInvalid):
        return raw.cast(pa.string())

    def text(value: bytes | None) -> str | None:
        try:
            return None if value is None else value.decode("utf-8", "replace" if replaces else "strict")
        except UnicodeDecodeError:
            return None

    return pa.chunked_array([pa.array([text(value) for value in raw.to_pylist()], pa.string())])


def _numbers(table: pa.Table, name: str | None) -> pa.ChunkedArray:
    """Return a column as float64, null where a value is not a finite number."""
    values = _values(table, name)
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        if _is_text(kind):
            values = values.cast(pa.large_binary())
        elif not (pa.types.is_boolean(kind) or pa.types.is_decimal(kind)):
            return _nulls(table, pa.float64())
        values = pa.chunked_array([pa.array([_number(value) for value in values.to_pylist()], pa.float64())])
    values = values.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _values(table: pa.Table, name: str | None) -> pa.ChunkedArray:
    """Return a column, not dictionary-encoded, or nulls if there is none."""
    if name is None:
        return _nulls(table, pa.null())
    values = table[name]
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _is_text(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _nulls(table: pa.Table, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(table.num_rows, kind)])
