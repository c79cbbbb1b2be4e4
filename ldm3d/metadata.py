"""Foreign metadata tables -> ours: one `Columns` per publisher, and an adapter that never raises for a bad row."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names one publisher gives to what we read. `None`: the table does not say."""

    url: str
    caption: str
    width: str | None = None
    height: str | None = None
    similarity: str | None = None
    nsfw: str | None = None  # a word (UNLIKELY, UNSURE, NSFW), or where `nsfw_is_score`, a probability in [0, 1]
    nsfw_is_score: bool = False

    def names(self) -> list[str]:
        """The columns to read."""
        return [value for field in fields(self) if isinstance(value := getattr(self, field.name), str)]


PUBLISHERS = {
    "laion400m": Columns(
        url="URL", caption="TEXT", width="WIDTH", height="HEIGHT", similarity="similarity", nsfw="NSFW"
    ),
    "laion5b": Columns(
        url="URL",
        caption="TEXT",
        width="WIDTH",
        height="HEIGHT",
        similarity="similarity",
        nsfw="punsafe",
        nsfw_is_score=True,
    ),
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
}


def recognise(names: list[str], publisher: str = "auto") -> Columns:
    """The `Columns` that a table with these column names follows.

    Raises:
        ValueError: no publisher fits, or the named one does not.
    """
    if publisher != "auto":
        columns = PUBLISHERS[publisher]
        if missing := [name for name in (columns.url, columns.caption) if name not in names]:
            raise ValueError(f"select.columns is {publisher!r}, which needs {missing}; the input has {names}")
        return _only(columns, names)
    for columns in PUBLISHERS.values():
        if set(columns.names()) <= set(names):
            return columns
    for columns in PUBLISHERS.values():
        if {columns.url, columns.caption} <= set(names):
            return _only(columns, names)
    known = {publisher: [columns.url, columns.caption] for publisher, columns in PUBLISHERS.items()}
    raise ValueError(
        f"no URL and caption columns recognised in {names}; wanted one of {known}. "
        "Rename the columns, or add a line to ldm3d.metadata.PUBLISHERS."
    )


def adapt(table: pa.Table, columns: Columns) -> pa.Table:
    """Foreign rows -> url, caption, nsfw: string; width, height, similarity: float64. One row in, one row out.

    A value of the wrong type or not a number becomes null, to be judged like any other bad row. Control characters in
    captions become spaces. A score s becomes a word: UNLIKELY below 0.1, NSFW above 0.9, UNSURE between.
    """
    texts = {"url": _texts(table, columns.url), "caption": _clean(_texts(table, columns.caption))}
    numbers = {name: _numbers(table, getattr(columns, name)) for name in ("width", "height", "similarity")}
    if columns.nsfw_is_score:
        score = _numbers(table, columns.nsfw)
        word = pc.if_else(pc.less(score, 0.1), "UNLIKELY", pc.if_else(pc.greater(score, 0.9), "NSFW", "UNSURE"))
        nsfw = pc.if_else(pc.is_valid(score), word, pa.scalar(None, pa.string()))
    else:
        nsfw = _texts(table, columns.nsfw)
    return pa.table({**texts, **numbers, "nsfw": nsfw})


def _only(columns: Columns, names: list[str]) -> Columns:
    """`columns` without the optional ones that a table lacks."""
    asked = {field.name: getattr(columns, field.name) for field in fields(columns)}
    absent = [name for name, column in asked.items() if isinstance(column, str) and column not in names]
    return replace(columns, **dict.fromkeys(absent))  # type: ignore[arg-type]


def _texts(table: pa.Table, name: str | None) -> pa.ChunkedArray:
    """A column as strings; values that are no text become null."""

    def text(value: object) -> str | None:
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return value if isinstance(value, str) else None

    return _column(table, name, pa.string(), (pa.types.is_string, pa.types.is_large_string), text)


def _numbers(table: pa.Table, name: str | None) -> pa.ChunkedArray:
    """A column as float64; values that are no finite number become null."""

    def number(value: object) -> float | None:
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return None

    values = _column(table, name, pa.float64(), (pa.types.is_integer, pa.types.is_floating), number)
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))


def _column(
    table: pa.Table,
    name: str | None,
    kind: pa.DataType,
    direct: tuple[Callable[[pa.DataType], bool], ...],
    convert: Callable[[object], object],
) -> pa.ChunkedArray:
    """A column cast whole where its type allows, value by value where it does not, nulls where there is none."""
    if name is None:
        return pa.chunked_array([pa.nulls(table.num_rows, kind)])
    values = table[name]
    if any(fits(values.type) for fits in direct):
        return values.cast(kind, safe=False)
    return pa.chunked_array([pa.array([convert(value) for value in values.to_pylist()], kind)])


def _clean(captions: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(captions, r"[\p{Cc}\p{Zl}\p{Zp}]+", " "))
