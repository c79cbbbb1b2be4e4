"""Which metadata rows become candidates: the policy, row by row, before anything is downloaded."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.config import SelectConfig
from ldm3d.fetch.urls import redact
from ldm3d.keys import make_key, rank
from ldm3d.rows.columns import Columns
from ldm3d.rows.embedded import Place
from ldm3d.rows.metadata import adapt, depth_cells, places
from ldm3d.rows.pictures import files_of
from ldm3d.rows.rules import judge

EXTRAS = ("given_depth", "file", "offset", "length", "table", "row")
"""Columns of candidates that only some inputs have."""


def select(
    table: pa.Table,
    columns: Columns,
    config: SelectConfig,
    under: tuple[str, ...] | None = None,
    place: Place | None = None,
) -> pa.Table:
    """Judge foreign metadata rows. Fan-out 1:1.

    Args:
        under: places whose files may be read beside those below the metadata; None where all pictures are on the web.
        place: of these rows, where their table holds the pictures. A row without a URL is called by its place then.

    Returns:
        key: 0 without a URL, otherwise that of the URL as given.
        url: "" without a URL; passwords are removed.
        caption, similarity, nsfw, rank.
        reason, detail: "" for a row that passes.
        given_depth: large_binary, as `depth_cells` reads it; only where `columns` has depth.
        file: where the picture is read, as `allowed_file` returns it, null for one on the web; unless `under` is None.
        offset, length: int64, of the picture in its file; only where `columns` has them.
        table, row: the place of the row; only where its table holds the pictures.
    """
    rows = adapt(table, columns)
    given = urls = pc.fill_null(rows["url"], "").to_pylist()
    if place:
        urls = [url or name for url, name in zip(given, place.names(len(given)), strict=True)]
        rows = rows.set_column(rows.column_names.index("url"), "url", pa.array(urls, pa.string()))
    keys = np.array([make_key(url) if url else 0 for url in urls], np.int64)
    extras: dict[str, Any] = {"given_depth": depth_cells(table, columns.depth)} if columns.depth else {}
    if columns.file:
        extras |= {"file": table[columns.file].cast(pa.string()), **places(table, columns)}
    elif place:
        numbers = np.arange(place.first, place.first + len(urls))
        extras |= {"table": pa.array([place.table] * len(urls), pa.string()), "row": numbers}
    elif under is not None:
        extras["file"] = files_of(urls, under)
    files = extras["file"].to_pylist() if "file" in extras else [None] * len(urls)
    foreign = [bool(url) and file is None for url, file in zip(given, files, strict=True)]
    shown = [redact(url) if is_foreign else url for url, is_foreign in zip(urls, foreign, strict=True)]
    return pa.table(
        {
            "key": keys,
            "url": pa.array(shown, pa.string()),
            "caption": pc.fill_null(rows["caption"], ""),
            "similarity": rows["similarity"].cast(pa.float32()),
            "nsfw": rows["nsfw"],
            "rank": rank(keys, config.seed),
            **judge(rows, columns, config),
            **extras,
        }
    )


def drop_url_duplicates(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Split rows of one rank range into (unique by key, the others), each in rank order.

    Of rows that share a URL, the one with the smallest caption is kept; of those, the one with the largest similarity;
    of those, the one with the smallest NSFW word, then with the first depth or file. So the choice does not depend on
    the order in which files were read.
    """
    if rows.num_rows == 0:
        return rows, rows
    order = [("rank", "ascending"), ("caption", "ascending"), ("similarity", "descending"), ("nsfw", "ascending")]
    order += [(name, "ascending") for name in EXTRAS if name in rows.column_names]
    rows = rows.sort_by(order)
    keys = rows["key"].to_numpy()
    first = np.concatenate([[True], keys[1:] != keys[:-1]])
    return rows.filter(pa.array(first)), rows.filter(pa.array(~first))
