"""Foreign metadata tables -> ours, by an adapter that never raises for a bad row."""

from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.rows.columns import Columns


def adapt(table: pa.Table, columns: Columns) -> pa.Table:
    """Convert foreign rows, one row in, one row out.

    Returns:
        url, caption, nsfw, fault (why there is no caption, where that is known): string; width, height, similarity:
            float64.

    A value of the wrong type, or that is not a number, becomes null, to be judged like any other bad row. So does a
    URL that is not UTF-8, as nobody knows which one was meant; in a caption U+FFFD replaces such bytes. Control
    characters in captions become spaces. A score becomes a word: UNLIKELY below 0.1, NSFW above 0.9, UNSURE between.
    """
    strings = {"url": texts(table, columns.url), "caption": clean_captions(table, columns.caption)}
    strings["fault"] = texts(table, columns.fault)
    numbers = {name: _numbers(table, getattr(columns, name)) for name in ("width", "height", "similarity")}
    return pa.table({**strings, **numbers, "nsfw": _words(table, columns)})


def places(table: pa.Table, columns: Columns) -> dict[str, pa.ChunkedArray]:
    """Return where pictures lie in their files: `offset` and `length` in bytes, int64, if `columns` has them."""
    named = {"offset": columns.offset, "length": columns.length}
    return {field: table[name].cast(pa.int64()) for field, name in named.items() if name}


def depth_cells(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column with depth as large_binary, null where there is none: files, or their paths in UTF-8.

    Pictures in the form of Hugging Face `datasets`, struct<bytes, path>, count as their bytes, or else as their path.
    """
    values = values_of(table, name)
    if pa.types.is_struct(values.type):
        parts = [pc.struct_field(values, part).cast(pa.large_binary()) for part in ("bytes", "path")]
        return pc.coalesce(*parts)
    return values.cast(pa.large_binary()) if is_text(values.type) else _nulls(table, pa.large_binary())


def holds_depth(kind: pa.DataType) -> bool:
    """Return whether a column of this type may hold depth as `depth_cells` reads it."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        return all(part in names and is_text(kind.field(part).type) for part in ("bytes", "path"))
    return is_text(kind)


def clean_captions(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column of captions, trimmed and without control characters, null where there is no text.

    Of several captions in a list, as of COCO or Flickr30k, it is the first that is text.
    """
    captions = as_texts(first_of_lists(table, name), replaces=True)
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(captions, r"[\p{Cc}\p{Zl}\p{Zp}]+", " "))


def _words(table: pa.Table, columns: Columns) -> pa.ChunkedArray:
    """Return NSFW values as words, null where there is none."""
    words = texts(table, columns.nsfw)
    if columns.nsfw_is_score is False:
        return words
    score = _numbers(table, columns.nsfw)
    word = pc.if_else(pc.greater(score, 0.9), "NSFW", "UNSURE")
    word = pc.if_else(pc.less(score, 0.1), "UNLIKELY", word)
    other = pa.scalar(None, pa.string()) if columns.nsfw_is_score else words
    return pc.if_else(pc.is_valid(score), word, other)


def texts(table: pa.Table, name: str | None) -> pa.ChunkedArray:
    """Return a column as strings, null where a value is not text, or not UTF-8."""
    return as_texts(values_of(table, name))


def as_texts(values: pa.ChunkedArray, *, replaces: bool = False) -> pa.ChunkedArray:
    """Return values as strings, null where one is not text, or not UTF-8 unless `replaces` is set.

    Parquet readers trust a file that its strings are UTF-8, so they are checked here.
    """
    if not is_text(values.type):
        return pa.chunked_array([pa.nulls(len(values), pa.string())])
    raw = values.cast(pa.large_binary())
    with suppress(pa.ArrowInvalid):
        return raw.cast(pa.string())

    def text(value: bytes | None) -> str | None:
        try:
            return None if value is None else value.decode("utf-8", "replace" if replaces else "strict")
        except UnicodeDecodeError:
            return None

    return pa.chunked_array([pa.array([text(value) for value in raw.to_pylist()], pa.string())])


def first_of_lists(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column with the first value that is not null in place of each list; other columns as they are."""
    values = values_of(table, name)
    if not is_list(values.type):
        return values
    firsts = [next((each for each in row or () if each is not None), None) for row in values.to_pylist()]
    return pa.chunked_array([pa.array(firsts, values.type.value_type)])


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds lists."""
    return any(getattr(pa.types, f"is_{test}")(kind) for test in ("list", "large_list", "fixed_size_list"))


def _numbers(table: pa.Table, name: str | None) -> pa.ChunkedArray:
    """Return a column as float64, null where a value is not a finite number."""
    values = values_of(table, name)
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        if is_text(kind):
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


def values_of(table: pa.Table, name: str | None) -> pa.ChunkedArray:
    """Return a column, not dictionary-encoded, or nulls if there is none."""
    if name is None:
        return _nulls(table, pa.null())
    values = table[name]
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds strings, or bytes that may be some."""
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _nulls(table: pa.Table, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(table.num_rows, kind)])
