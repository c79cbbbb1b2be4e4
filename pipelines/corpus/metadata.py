"""The metadata that a corpus is made from, checked before any work: files, row counts, columns."""

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from ldm3d.config import CorpusConfig, SelectConfig
from ldm3d.rows.metadata import Columns, holds_depth, passed_over, recognise, repeated
from pipelines.storage.folder import Folder, concurrently, is_damage
from pipelines.storage.input_files import input_files
from pipelines.storage.inputs import readable

logger = logging.getLogger(__name__)

SHARD_BYTES = 2**30  # of depth that the metadata holds: of several shards at a time, on several actors


@dataclass(frozen=True)
class MetadataInput:
    """The metadata files, as they are now."""

    url: str
    files: list[tuple[str, int, int]]
    """(name, size in bytes, rows), in the order of names."""
    columns: Columns
    depth_bytes: int = 0
    """Of the column with depth, in memory; 0 where there is none."""

    @property
    def rows(self) -> int:
        return sum(rows for _, _, rows in self.files)


def read_input(config: CorpusConfig) -> MetadataInput:
    """List the files of the input, count their rows, and recognise whose columns they have.

    Raises:
        ValueError: there is no parquet file, one cannot be read, or its columns do not suffice for the selection.
    """
    folder = Folder(config.input)
    with readable(config.input):
        if not folder.exists():
            raise ValueError(f"--input {config.input!r} does not exist; wanted a parquet file or a folder of them")
        sizes = folder.sizes() if folder.is_file() else input_files(folder, "--input", (".parquet",))
    names = list(sizes)
    if not names:
        raise ValueError(f"--input {config.input!r} holds no .parquet file; wanted LAION-style metadata")
    with readable(config.input):
        footers = concurrently(partial(_read_footer, folder, config.label.column), names)
    files = [(name, sizes[name], footer.rows) for name, footer in zip(names, footers, strict=True)]
    if not any(rows for _, _, rows in files):
        raise ValueError(f"--input {config.input!r}: its {len(files)} parquet files hold no rows")
    schemas = [footer.columns for footer in footers]
    columns = _recognise(names[0], schemas[0], config)
    for name, schema in zip(names, schemas, strict=True):
        if (other := _recognise(name, schema, config)) != columns:
            raise ValueError(
                f"--input: {name} provides {other.names()}, but {names[0]} provides {columns.names()}; give tables of "
                "one publisher per run"
            )
    similar = passed_over(schemas[0], columns)
    _check_policy(columns, config.select, similar)
    if similar:
        logger.warning("--input: %s", _unread(similar))
    found = MetadataInput(config.input, files, columns, sum(footer.depth_bytes for footer in footers))
    _check_shards(found, config)
    return found


class _Footer(NamedTuple):
    rows: int
    columns: list[str]
    depth_bytes: int


def _read_footer(folder: Folder, depth: str | None, name: str) -> _Footer:
    """Read how many rows a parquet file holds, the names of its columns, and the size of the one with depth.

    Raises:
        ValueError: it is no parquet file, or the column with depth is not one of files or their paths.
        OSError: the store fails.
    """
    try:
        with folder.parquet_file(name) as file:
            schema, metadata = file.schema_arrow, file.metadata
            paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
            leaves = [i for i, path in enumerate(paths) if depth is not None and f"{path}.".startswith(f"{depth}.")]
            groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)] if leaves else []
            size = sum(group.column(i).total_uncompressed_size for group in groups for i in leaves)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: of column names
        if isinstance(error, OSError) and not is_damage(error):
            raise
        raise ValueError(
            f"--input: {folder.path(name)} is not a readable parquet file ({error}): give parquet files, or download "
            "it again"
        ) from error
    if unfit := [field.type for field in schema if field.name == depth and not holds_depth(field.type)]:
        raise ValueError(
            f"--label.column {depth!r} of {folder.path(name)} is of type {unfit[0]}; wanted files (binary, or "
            "datasets' pictures) or their paths (string)"
        )
    return _Footer(metadata.num_rows, schema.names, size)


def _check_shards(found: MetadataInput, config: CorpusConfig) -> None:
    """Check that a shard's files of depth fit into memory, where the metadata holds them.

    Raises:
        ValueError: they do not.
    """
    each = found.depth_bytes / found.rows
    if each * min(config.shards.rows, found.rows) > SHARD_BYTES:
        raise ValueError(
            f"--shards.rows is {config.shards.rows}, wanted at most {max(1, int(SHARD_BYTES / each))}: a cell of "
            f"--label.column {config.label.column!r} takes {each / 2**20:.1f} MiB on average, and a shard's cells are "
            "held in memory. Or let the column hold paths of files"
        )


def _recognise(name: str, schema: list[str], config: CorpusConfig) -> Columns:
    try:
        columns = recognise(schema, config.select.columns)
    except ValueError as error:
        raise ValueError(f"--input: {name or 'the file'}: {error}") from error
    depth = config.label.column
    if depth is not None and depth not in schema:
        raise ValueError(
            f"--label.column {depth!r} is not a column of {name or 'the file'}, which has {schema}: name one that is"
        )
    columns = replace(columns, depth=depth)
    if again := repeated(schema, columns.names()):
        raise ValueError(
            f"--input: {name or 'the file'}: the columns {again} occur more than once in {schema}; rename or remove "
            "the others"
        )
    return columns


def _check_policy(columns: Columns, config: SelectConfig, similar: dict[str, list[str]]) -> None:
    if columns.nsfw is None and "any" not in config.nsfw:
        raise ValueError(
            f"--select.nsfw {' '.join(config.nsfw)} needs an NSFW column, and none was recognised in the input, so "
            "every row would be rejected; "
            + (_unread(similar) if "nsfw" in similar else "pass --select.nsfw any to keep unrated rows")
        )
    if columns.similarity is None and config.min_similarity > 0:
        raise ValueError(
            f"--select.min-similarity {config.min_similarity} needs a similarity column, and none was "
            "recognised in the input, so every row would be rejected; "
            + (_unread(similar) if "similarity" in similar else "pass --select.min-similarity 0")
        )


def _unread(similar: dict[str, list[str]]) -> str:
    found = "; ".join(f"{', '.join(names)} (for {field})" for field, names in similar.items())
    return (
        f"similar columns are not read: {found}. Name the publisher with --select.columns, rename the columns as a "
        "known publisher does, or add a line to ldm3d.rows.metadata.PUBLISHERS"
    )
