"""The kinds of files that a corpus may be made from, and which of them an input holds."""

from typing import Literal

from pipelines.corpus.tables.json_lines import JsonTable
from pipelines.corpus.tables.parquet import ParquetTable
from pipelines.corpus.tables.pictures import CAPTIONS, PICTURES, PictureFolder
from pipelines.corpus.tables.table import Table
from pipelines.corpus.tables.tar import TarTable
from pipelines.corpus.tables.text import TextTable
from pipelines.storage.folder import Folder
from pipelines.storage.input_files import input_files

Kind = Literal["tar", "parquet", "csv", "json", "pictures"]
COMPRESSED = ("", ".gz", ".bz2", ".xz", ".zst")
ENDINGS: dict[Kind, tuple[str, ...]] = {  # in the order in which an input is searched for them
    "tar": (".tar",),
    "parquet": (".parquet",),
    "csv": tuple(f"{ending}{more}" for ending in (".csv", ".tsv") for more in COMPRESSED),
    "json": tuple(f"{ending}{more}" for ending in (".jsonl", ".ndjson", ".json") for more in COMPRESSED),
    "pictures": (*PICTURES, CAPTIONS),
}
TABLES: dict[Kind, type[Table]] = {
    "tar": TarTable,
    "parquet": ParquetTable,
    "csv": TextTable,
    "json": JsonTable,
    "pictures": PictureFolder,
}


def table_of(kind: Kind, folder: Folder, name: str) -> Table:
    """Return a file of an input as a table; for `pictures` the folder, whose name is empty."""
    return TABLES[kind](folder, name)


def find_tables(folder: Folder, wanted: Literal["auto"] | Kind) -> tuple[Kind, dict[str, int]]:
    """Find the files that a corpus is made from.

    Returns:
        Their kind, and their sizes in bytes by relative path, "" if `folder` is a file.

    Raises:
        ValueError: there are none.
        OSError: the store fails.
    """
    kinds = tuple(ENDINGS) if wanted == "auto" else (wanted,)
    if folder.is_file():
        of_file = [kind for kind in kinds if folder.url.lower().endswith(ENDINGS[kind]) and kind != "pictures"]
        return (of_file[0] if of_file else "parquet"), folder.sizes()
    found = input_files(folder, "--input", *(ENDINGS[kind] for kind in kinds))
    for kind in kinds:
        if any(name.lower().endswith(ENDINGS[kind]) for name in found):
            return kind, found
    raise ValueError(
        f"--input {folder.url!r} holds "
        + (f"no {'/'.join(ENDINGS[kinds[0]][:2])} files" if wanted != "auto" else "no table, tar shard or picture")
        + ": wanted .parquet, .csv, .tsv or .jsonl files with URLs and captions (as LAION's), .tar shards, or "
        "pictures with a .txt file beside each"
    )
