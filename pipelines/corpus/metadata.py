"""The metadata that a corpus is made from, checked before any work: files, row counts, columns."""

import logging
import posixpath
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from ldm3d.config import CorpusConfig
from ldm3d.fingerprint import fingerprint_of
from ldm3d.rows.columns import Columns
from ldm3d.rows.embedded import Place
from ldm3d.rows.metadata import texts
from ldm3d.rows.pictures import is_below_the_metadata, is_web
from pipelines.corpus.needed_settings import check_settings, warn_of_places
from pipelines.corpus.table_columns import columns_of
from pipelines.corpus.tables.kinds import Kind, find_tables, table_of
from pipelines.corpus.tables.pictures import PICTURES
from pipelines.storage.folder import Folder, concurrently, is_damage
from pipelines.storage.inputs import readable

logger = logging.getLogger(__name__)

SHARD_BYTES = 2**30  # of depth that the metadata holds: of several shards at a time, on several actors
MADE = ("tar", "pictures")  # kinds whose tables we make, with columns of our own
SHOWN = 8  # columns that are left out, by name
URLS_SEEN = 1_000  # of which it is judged whether pictures are on the web


@dataclass(frozen=True)
class MetadataInput:
    """The metadata files, as they are now."""

    url: str
    files: list[tuple[str, int, int]]
    """(name, size in bytes, rows), in the order of names; of a folder of pictures one, without a name."""
    columns: Columns
    depth_bytes: int = 0
    """Of the column with depth, in memory; 0 where there is none."""
    kind: Kind = "parquet"
    readings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """How each file is to be read, by name, where that is not clear from its kind."""
    under: tuple[str, ...] | None = None
    """Places whose files the metadata may name, beside those below it; None where pictures are on the web."""
    listing: str = ""
    """Fingerprint of the names and sizes of pictures, where they are the metadata."""
    picture_bytes: int = 0
    """Of the column with pictures, in memory; 0 where there is none."""

    @property
    def rows(self) -> int:
        return sum(rows for _, _, rows in self.files)

    @property
    def content(self) -> dict[str, Any]:
        """Return what decides which rows come out, beside the settings."""
        files: dict[str, Any] = {"files": [list(file) for file in self.files]}
        files |= {"image_column": self.columns.image} if self.columns.image else {}
        return files | ({"pictures": self.listing} if self.listing else {})

    @property
    def named(self) -> dict[str, str]:
        """Return the user's columns that are read, by field of `Columns`."""
        return {} if self.kind in MADE else self.columns.named()

    def place(self, name: str, first: int) -> Place | None:
        """Return where rows of a file are, from row `first` on, if the tables hold the pictures."""
        return Place(name or posixpath.basename(self.url), first) if self.columns.image else None


def read_input(config: CorpusConfig) -> MetadataInput:
    """List the files of the input, count their rows, and recognise whose columns they have.

    Raises:
        ValueError: there is nothing to read, a file is damaged, or its columns do not suffice for the settings.
    """
    folder = Folder(config.input)
    with readable(config.input):
        if not folder.exists():
            raise ValueError(f"--input {config.input!r} does not exist; wanted a table of pictures, or a folder")
        kind, sizes = find_tables(folder, config.select.read)
        listing = fingerprint_of(sizes) if kind == "pictures" else ""
        sizes = {"": sum(sizes.values())} if kind == "pictures" else sizes
        names = list(sizes)
        if kind == "tar":
            logger.info("--input %r: counting the samples in %d tar files", config.input, len(names))
        facts = concurrently(lambda name: table_of(kind, folder, name).facts(config.label.column), names)
    files = [(name, sizes[name], each.rows) for name, each in zip(names, facts, strict=True)]
    if not any(rows for _, _, rows in files):
        raise ValueError(f"--input {config.input!r}: its {len(files)} {kind} files hold no rows")
    shown = [name or posixpath.basename(config.input) for name in names]
    with readable(config.input):
        columns, pictures = columns_of([table_of(kind, folder, name) for name in names], shown, facts, config, kind)
    found = MetadataInput(
        config.input,
        files,
        columns,
        sum(each.depth_bytes for each in facts),
        kind,
        {name: each.reading for name, each in zip(names, facts, strict=True) if each.reading},
        listing=listing,
        picture_bytes=sum(each.pictures.get(columns.image or "", 0) for each in facts),
    )
    with readable(config.input):
        urls = pictures.paths if columns.image or kind in MADE else _first_urls(found, folder)
    check_settings(facts[0].columns, columns, urls, config, pictures)
    _check_shards(found, config)
    _tell(found, facts[0].columns)
    if not (columns.image or _names_files(urls, config)):
        return found
    warn_of_places(urls, config)
    return replace(found, under=config.download.files_under)


def _tell(found: MetadataInput, names: list[str]) -> None:
    """Log which columns are read: most are recognised, and not named. A corpus has no place for the others."""
    if found.named:
        left = [name for name in names if name not in found.named.values()]
        logger.info(
            "--input: columns that are read: %s%s",
            ", ".join(f"{column} as {field}" for field, column in found.named.items()),
            f"; left out: {', '.join(left[:SHOWN])}{' ...' if len(left) > SHOWN else ''}" if left else "",
        )
    if found.columns.image:
        logger.info(
            "--input: the column %s holds the pictures: those that are selected are first copied into the output, at "
            "most %s bytes",
            found.columns.image,
            f"{found.picture_bytes:,}",
        )


def _names_files(urls: list[str], config: CorpusConfig) -> bool:
    """Whether a table names files: it is said to, none of its first pictures is on the web, or one is beside it.

    Otherwise what is not http(s) is a broken URL, as the web's own tables have them, and nothing is read for it.
    """
    if config.download.files_under or not any(map(is_web, urls)):
        return True
    return any(is_below_the_metadata(url) and url.lower().endswith(PICTURES) for url in urls)


def _first_urls(found: MetadataInput, folder: Folder) -> list[str]:
    """Return the URLs of the first rows that have one."""
    name = next(name for name, _, rows in found.files if rows)
    table, reading = table_of(found.kind, folder, name), found.readings.get(name, {})
    wanted = [column for column in (found.columns.url, found.columns.caption) if column]
    try:
        batch = next(table.batches(wanted, URLS_SEEN, reading))
    except (OSError, pa.ArrowException) as error:
        if not is_damage(error):
            raise
        return []  # planning reads all files, and names those that are damaged
    return [url for url in texts(pa.Table.from_batches([batch]), found.columns.url).to_pylist() if url]


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
