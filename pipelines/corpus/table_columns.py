"""Which columns of an input's tables are read: recognised by their names, found by their content, or named."""

from dataclasses import replace
from functools import partial

import pyarrow as pa

from ldm3d.config import CorpusConfig
from ldm3d.rows.columns import Columns, recognise, repeated
from pipelines.corpus.needed_settings import refuse_columns
from pipelines.corpus.picture_column import PictureColumn, picture_column, refuse_picture_column
from pipelines.corpus.tables.kinds import Kind
from pipelines.corpus.tables.table import Table, TableFacts
from pipelines.corpus.unknown_columns import UnknownColumns
from pipelines.storage.folder import is_damage

SAMPLE = 100  # rows, by which columns of unknown names are judged
CELLS = 16  # rows, by which columns are judged that may hold pictures: these may take megabytes each
OF_TAR = Columns(url="url", caption="caption", offset="offset", length="length", file="file", fault="fault")


def columns_of(
    tables: list[Table], names: list[str], facts: list[TableFacts], config: CorpusConfig, kind: Kind
) -> tuple[Columns, PictureColumn]:
    """Return the columns of all files of an input, and what is known of pictures in columns.

    Args:
        names: of the files, for messages.
        facts: of the tables, one of which has rows.

    Raises:
        ValueError: the columns are not known, or differ, or hold something else than they should.
    """
    if kind != "parquet":
        refuse_picture_column(kind, config)
    if kind == "tar":
        return OF_TAR, PictureColumn()
    if kind == "json":  # an object that lacks a value may be all that a file has
        every = list(dict.fromkeys(name for each in facts for name in each.columns))
        facts = [replace(each, columns=every) for each in facts]
        tables, names, facts = tables[:1], names[:1], facts[:1]
    first = next(place for place, each in enumerate(facts) if each.rows or kind == "json")
    pictures = picture_column(facts[first], partial(_first_rows, tables[first], facts[first], CELLS), config)
    found = [_recognised(*each, pictures, config) for each in zip(tables, names, facts, strict=True)]
    for name, other in zip(names, found, strict=True):
        if other != found[first]:
            raise ValueError(
                f"--input: {name} provides {other.names()}, but {names[first]} provides {found[first].names()}; give "
                "tables of one publisher per run"
            )
    columns = found[first]
    if columns.url in pictures.others:
        raise ValueError(
            f"--input {config.input!r}: the column {columns.url!r} holds pictures, wanted their URLs or paths. To "
            f"read the pictures in it, pass --select.image-column {columns.url}, and no --select.url-column"
        )
    return (replace(columns, fault="fault") if kind == "pictures" else columns), pictures


def _recognised(table: Table, name: str, facts: TableFacts, pictures: PictureColumn, config: CorpusConfig) -> Columns:
    names, own, image = facts.columns, config.select.own_columns(), pictures.name
    if image is not None and (image in names or config.select.image_column):
        own |= {"image": image}
    try:
        columns = recognise(names, config.select.columns, own)
    except ValueError as error:
        wanted = [each for each in names if each not in facts.pictures]
        sample = _first_rows(table, facts, SAMPLE, wanted)
        refuse_columns(UnknownColumns(name, names, own, pictures.others, sample), error, config)
    depth = config.label.column
    if depth is not None and depth not in names:
        raise ValueError(f"--label.column {depth!r} is not a column of {name}, which has {names}: name one that is")
    columns = replace(columns, depth=depth)
    if again := repeated(names, columns.names()):
        raise ValueError(
            f"--input: {name}: the columns {again} occur more than once in {names}; rename or remove the others"
        )
    return columns


def _first_rows(table: Table, facts: TableFacts, rows: int, wanted: list[str]) -> pa.Table:
    """Read the first rows of some columns. Of columns that share a name, and of damaged files, nothing is read."""
    columns = [name for name in dict.fromkeys(wanted) if facts.columns.count(name) == 1]
    try:
        batch = next(table.batches(columns, rows, facts.reading), None) if columns else None
    except (OSError, pa.ArrowException) as error:
        if not is_damage(error):
            raise
        batch = None  # planning reads all files, and names those that are damaged
    found = pa.table({}) if batch is None else pa.Table.from_batches([batch])
    return found.select([name for name in columns if name in found.column_names])
