"""The column of a table that holds the pictures themselves, if one does: named, or found by type, name and content.

A table whose pictures are on the web may have small ones in a column besides, so a column of any name is taken only
where the table has no column of URLs or paths.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from ldm3d.config import CorpusConfig
from ldm3d.rows.columns import unknown
from ldm3d.rows.embedded import begins_like_a_picture, cells, is_pictures
from pipelines.corpus.tables.kinds import Kind
from pipelines.corpus.tables.pictures import PICTURES
from pipelines.corpus.tables.table import TableFacts

NAMES = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "pil_image", "image_bytes", "image_data")
"""What people call such a column, in any case; the first that is there is taken."""


@dataclass(frozen=True)
class PictureColumn:
    """What is known of a table's pictures."""

    name: str | None = None
    """The column that they are read from; None where a table names URLs or paths."""
    others: tuple[str, ...] = ()
    """Other columns that hold pictures, or what `datasets` stores in the same form; never URLs or paths."""
    paths: list[str] = field(default_factory=list)
    """What the first cells name, in place of holding it."""


def picture_column(facts: TableFacts, read: Callable[[list[str]], pa.Table], config: CorpusConfig) -> PictureColumn:
    """Find the column that pictures are read from.

    Args:
        read: returns some columns of a few rows, without those that cannot be read.

    Raises:
        ValueError: the column that is named is not of a type that holds pictures, or is to hold URLs, too.
    """
    select, named = config.select, config.select.image_column
    if named is not None and named == select.url_column:
        raise ValueError(
            f"--select.image-column and --select.url-column are both {named!r}, but a column holds pictures or names "
            "them: leave one of the two out"
        )
    if named in facts.columns and named not in facts.pictures:
        raise ValueError(
            f"--select.image-column {named!r}: the column holds no pictures, wanted files (binary), or pictures as "
            f"datasets stores them (struct<bytes, path>); {_others(facts)}. A column of URLs or paths is "
            f"--select.url-column {named}"
        )
    first = read([name for name in facts.pictures if name != config.label.column])
    holding = [name for name in first.column_names if _holds(first, name)]
    chosen = named or (
        _guessed(holding, facts, config) if not select.url_column and select.columns == "auto" else None
    )
    forms = [name for name in first.column_names if is_pictures(first.schema.field(name).type)]
    others = tuple(name for name in first.column_names if name in {*holding, *forms} - {chosen})
    if chosen is None or chosen not in first.column_names:
        return PictureColumn(chosen, others)
    return PictureColumn(chosen, others, cells(first, chosen)[1].drop_null().to_pylist())


def refuse_picture_column(kind: Kind, config: CorpusConfig) -> None:
    """Refuse a column of pictures where files are of a kind that has none.

    Raises:
        ValueError: one is named.
    """
    if (named := config.select.image_column) is not None:
        raise ValueError(
            f"--select.image-column {named!r}: columns of parquet files hold pictures, but --input "
            f"{config.input!r} is read as {kind}: leave it out, or name URLs or paths as --select.url-column"
        )


def _guessed(holding: list[str], facts: TableFacts, config: CorpusConfig) -> str | None:
    common = {name.lower(): name for name in reversed(holding)}
    found = next((common[name] for name in NAMES if name in common), None)
    texts = [name for name in facts.columns if name not in holding]
    names_pictures = "url" not in unknown(texts, config.select.own_columns())
    return found or (holding[0] if len(holding) == 1 and not names_pictures else None)


def _holds(first: pa.Table, name: str) -> bool:
    """Whether a column holds pictures: one of its first cells begins like one, or its type and name say so."""
    contents, paths = (column.drop_null().to_pylist() for column in cells(first, name))
    if any(map(begins_like_a_picture, contents)) or any(path.lower().endswith(PICTURES) for path in paths):
        return True
    return is_pictures(first.schema.field(name).type) and name.lower() in NAMES


def _others(facts: TableFacts) -> str:
    return f"it has {list(facts.pictures)} of such a type" if facts.pictures else "it has none of such a type"
