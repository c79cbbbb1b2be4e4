"""The metadata that a corpus is made from, checked before any work: files, row counts, columns."""

import logging
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from ldm3d.config import CorpusConfig, SelectConfig
from ldm3d.rows.metadata import Columns, passed_over, recognise
from pipelines.storage.folder import Folder, concurrently, is_damage
from pipelines.storage.input_files import input_files
from pipelines.storage.inputs import readable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetadataInput:
    """The metadata files, as they are now."""

    url: str
    files: list[tuple[str, int, int]]
    """(name, size in bytes, rows), in the order of names."""
    columns: Columns

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
        footers = concurrently(partial(_read_footer, folder), names)
    files = [(name, sizes[name], rows) for name, (rows, _) in zip(names, footers, strict=True)]
    if not any(rows for _, _, rows in files):
        raise ValueError(f"--input {config.input!r}: its {len(files)} parquet files hold no rows")
    schemas = [columns for _, columns in footers]
    columns = _recognise(names[0], schemas[0], config.select)
    for name, schema in zip(names, schemas, strict=True):
        if (other := _recognise(name, schema, config.select)) != columns:
            raise ValueError(
                f"--input: {name} provides {other.names()}, but {names[0]} provides {columns.names()}; give tables of "
                "one publisher per run"
            )
    similar = passed_over(schemas[0], columns)
    _check_policy(columns, config.select, similar)
    if similar:
        logger.warning("--input: %s", _unread(similar))
    return MetadataInput(config.input, files, columns)


def _read_footer(folder: Folder, name: str) -> tuple[int, list[str]]:
    """Read how many rows a parquet file holds, and the names of its columns.

    Raises:
        ValueError: it is no parquet file.
        OSError: the store fails.
    """
    try:
        with folder.parquet_file(name) as file:
            return file.metadata.num_rows, file.schema_arrow.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: of column names
        if isinstance(error, OSError) and not is_damage(error):
            raise
        raise ValueError(
            f"--input: {folder.path(name)} is not a readable parquet file ({error}): give parquet files, or download "
            "it again"
        ) from error


def _recognise(name: str, schema: list[str], config: SelectConfig) -> Columns:
    try:
        return recognise(schema, config.columns)
    except ValueError as error:
        raise ValueError(f"--input: {name or 'the file'}: {error}") from error


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
