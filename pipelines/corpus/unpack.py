"""Pictures that tables hold, copied out of them once. Each is then read from its place, like a member of a tar shard.

The rows of a shard come from all over the tables, and a picture in a table is only read with its neighbours: each
shard would read every table again. So one pass over the tables takes the pictures that the plan needs into the output,
a batch a file; a task holds one batch.

    _state/pictures/TABLE.pictures/00002-00005.bin   one behind the other: of batch 5 of span 2 of a table
    _state/pictures/TABLE.pictures/00002.parquet     the rows of span 2 that the plan needs, and where these are
"""

import posixpath
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from ldm3d.config import SelectConfig
from ldm3d.keys import positions_of
from ldm3d.rows.embedded import Place, cells
from ldm3d.rows.pictures import allowed_file
from ldm3d.rows.selection import select
from pipelines.corpus.metadata import MetadataInput
from pipelines.corpus.plan import PICTURES
from pipelines.corpus.tables.parquet import ParquetTable
from pipelines.storage.folder import Folder, concurrently, is_damage
from pipelines.storage.parquet import with_columns
from pipelines.storage.shards import LostRowsError

SPAN_BYTES = 2**30  # of a task: seconds, or a minute from a slow store
BATCH_BYTES, BATCH_ROWS = 2**26, 1_024  # at a time: pictures that are equal may take fewer bytes in the file
FOLDER = ".pictures"  # behind the name of a table, as its folder must not look like a parquet file
INDEX = pa.schema(
    [
        ("row", pa.int64()),
        ("part", pa.string()),  # file of pictures below `PICTURES`; null where the cell names a file
        ("offset", pa.int64()),  # of the picture in it, in bytes
        ("length", pa.int64()),
        ("file", pa.string()),  # as `allowed_file` returns it; null, too, for one that may not be read
    ]
)


def unpack(metadata: MetadataInput, config: SelectConfig, output: Folder, last: int) -> list[str]:
    """Copy the pictures of all selected rows up to a rank into the output, on the cluster.

    Args:
        last: the largest rank of a row that the plan needs.

    Returns:
        What is damaged, by file. The pictures are of no use then.
    """
    folder, image = Folder(metadata.url), metadata.columns.image or ""
    names = [name for name, _, rows in metadata.files if rows]
    spans = concurrently(lambda name: ParquetTable(folder, name).spans(image, SPAN_BYTES), names)
    items = [
        {"name": name, "number": number, **span._asdict()}
        for name, found in zip(names, spans, strict=True)
        for number, span in enumerate(found)
    ]
    tasks = ray.data.from_items(items, override_num_blocks=len(items))
    copy = partial(unpack_span, metadata=metadata, config=config, output_url=output.url, last=last)
    done = tasks.map_batches(copy, batch_size=1, batch_format="pyarrow").take_all()
    return sorted({row["damaged"] for row in done if row["damaged"]})


def unpack_span(span: pa.Table, metadata: MetadataInput, config: SelectConfig, output_url: str, last: int) -> pa.Table:
    """Copy the pictures of a span of a table, a batch at a time.

    INPUT   one span: name of the file, number, groups, first row, rows, size
    OUTPUT  damaged: what is wrong with the file, "" where nothing is
    Fan-out 1:1
    """
    (item,) = span.to_pylist()
    folder, output = Folder(metadata.url), Folder(output_url)
    columns = replace(metadata.columns, depth=None)
    rows = min(BATCH_ROWS, max(1, item["rows"] * BATCH_BYTES // max(BATCH_BYTES, item["size"])))
    batches = ParquetTable(folder, item["name"]).batches(columns.names(), rows, {"groups": item["groups"]})
    place, index = metadata.place(item["name"], item["first"]), [INDEX.empty_table()]
    assert place
    start = f"{place.table}{FOLDER}/{item['number']:05d}"
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            if not is_damage(error):
                raise
            return pa.table({"damaged": [f"{folder.path(item['name'])} ({' '.join(str(error).split())})"]})
        if batch is None:
            break
        table = pa.Table.from_batches([batch])
        judged = select(table, columns, config, place=place)
        needed = (judged["reason"].to_numpy() == "") & (judged["rank"].to_numpy() <= np.uint64(last))
        wanted = np.flatnonzero(needed)
        part = f"{start}-{len(index) - 1:05d}.bin"
        index.append(_copied(table.take(wanted), wanted + place.first, metadata, output, part))
        place = Place(place.table, place.first + table.num_rows)
    output.write_tables(f"{PICTURES}/{start}.parquet", [pa.concat_tables(index)])
    return pa.table({"damaged": [""]})


def _copied(rows: pa.Table, numbers: np.ndarray, metadata: MetadataInput, output: Folder, part: str) -> pa.Table:
    """Write the pictures of some rows into a file. Returns their index."""
    found, named = cells(rows, metadata.columns.image or "")
    contents, paths = found.to_pylist(), [path or None for path in named.to_pylist()]
    lengths = [len(content or b"") for content in contents]
    if any(lengths):
        output.write(f"{PICTURES}/{part}", b"".join(filter(None, contents)))
    offsets = np.cumsum([0, *lengths])[:-1].tolist()
    held = [path is None for path in paths]
    columns: dict[str, list[Any]] = {
        "row": numbers.tolist(),
        "part": [part if here else None for here in held],
        "offset": [offset if here else None for offset, here in zip(offsets, held, strict=True)],
        "length": [length if here else None for length, here in zip(lengths, held, strict=True)],
        "file": [None if path is None else allowed_file(path, metadata.under or ()) for path in paths],
    }
    return pa.table(columns, INDEX)


def with_places(rows: pa.Table, output: Folder) -> pa.Table:
    """Put where their pictures are, the columns of `INDEX`, in place of the columns `table` and `row`.

    Raises:
        LostRowsError: a row has no place.
    """
    files = defaultdict(list)
    for name in sorted(output.sizes(PICTURES, ".parquet")):
        files[posixpath.relpath(posixpath.dirname(name), PICTURES).removesuffix(FOLDER)].append(name)
    tables, numbers = np.array(rows["table"].to_pylist()), rows["row"].to_numpy()
    found, order = [INDEX.empty_table()], [np.array([], np.int64)]
    for table in np.unique(tables).tolist():
        index = pa.concat_tables([INDEX.empty_table(), *(output.read_table(name) for name in files[table])])
        wanted = np.flatnonzero(tables == table)
        at = positions_of(numbers[wanted], index["row"].to_numpy())
        if (at < 0).any():
            raise LostRowsError(f"pictures of {table} are missing: the input changed while it was read")
        found.append(index.take(at))
        order.append(wanted)
    places = pa.concat_tables(found).take(np.argsort(np.concatenate(order)))
    rows = rows.drop_columns(["table", "row"])
    return with_columns(rows, **{name: places[name] for name in ("part", "offset", "length", "file")})
