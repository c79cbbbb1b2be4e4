"""The rows of a plan: which panorama is where, and what is drawn for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ldm3d.config import DepthFusionConfig
from ldm3d.config.exports import CAPTION
from ldm3d.fusion.reading import kind_of
from ldm3d.keys import make_key, sample_seeds
from pipelines.storage.folder import Folder

PLANNED = pa.schema(
    [
        ("key", pa.int64()),
        ("number", pa.int32()),
        ("seed", pa.int64()),  # of its redrawing
        ("file", pa.string()),  # relative to the input
        ("row_group", pa.int32()),  # of a parquet file; -1 for a picture
        ("row", pa.int32()),  # in that row group
        ("depth", pa.string()),  # the map of a picture, relative to the folder of maps; null if there is none
    ]
)


def rows_of_table(folder: Folder, config: DepthFusionConfig, is_drawn: bool, file: str) -> pa.Table:
    """Plan the rows of a parquet file. Without a key of its own, one is named by its file and place.

    Args:
        folder: what the file's name is relative to.
        config: says what depth means, which model estimates it where there is none, and the seed of the run.
        is_drawn: whether `generate` wrote the file.
        file: its name.

    Raises:
        ValueError: it cannot be read, has no pictures, or no depth and no model, or depth of which nobody says
            what it means, or no captions where a prompt takes them, or keys or numbers that are not whole numbers.
    """
    try:
        with folder.parquet_file(file) as opened:
            names, count = opened.schema_arrow.names, opened.metadata.num_rows
            given = [name for name in ("key", "number") if name in names]
            read = opened.read(columns=given)
            sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
    except pa.ArrowException as error:
        raise ValueError(f"--input: {file} cannot be read as parquet ({error}): restore it, or remove it") from error
    wanted = ("image", "depth") if config.depth.model is None else ("image",)
    if missing := [name for name in wanted if name not in names]:
        remedy = ": let a model estimate depth, by --depth.model" if missing == ["depth"] else ""
        raise ValueError(f"--input: {file} has no column {', '.join(missing)} (it has {', '.join(names)}){remedy}")
    if config.surface.takes_captions and "caption" not in names:
        raise ValueError(
            f"--input: {file} has no column caption (it has {', '.join(names)}), which --surface.prompt "
            f"{config.surface.prompt!r} takes: add it, or give a text without {CAPTION}"
        )
    if "depth" in names:
        kind_of(config.depth, "the column `depth`", is_drawn=is_drawn)
    for column in given:
        kind, nulls = read[column].type, read[column].null_count
        if not pa.types.is_integer(kind) or nulls:
            raise ValueError(
                f"--input: {file} has a column `{column}` of type {kind} with {nulls} nulls, wanted whole numbers and "
                "no nulls: correct or drop it"
            )
    keys = read["key"].to_numpy() if "key" in given else np.array([make_key(f"{file}:{row}") for row in range(count)])
    numbers = read["number"].to_numpy() if "number" in given else np.zeros(count)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, np.int64)])
    return planned_rows(keys.astype(np.int64), numbers.astype(np.int32), config.seed, [file] * count, groups, rows)


def planned_rows(
    keys: Any,
    numbers: Any,
    seed: int,
    files: Sequence[str],
    groups: Any = None,
    rows: Any = None,
    depths: Any = None,
) -> pa.Table:
    """Make rows of `PLANNED`: N keys, numbers and files, and their places in parquet files, or their maps."""
    count = len(files)
    columns = {
        "key": keys,
        "number": numbers,
        "seed": sample_seeds(keys, numbers, seed),
        "file": files,
        "row_group": np.full(count, -1) if groups is None else groups,
        "row": np.full(count, -1) if rows is None else rows,
        "depth": [None] * count if depths is None else depths,
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in PLANNED], schema=PLANNED)
