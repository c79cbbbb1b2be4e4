"""How tables are laid out in our parquet files: row groups, picture columns, compression."""

from typing import Any

import numpy as np
import pyarrow as pa

from ldm3d.schema import IMAGE

PICTURES = ("image.bytes", "depth.bytes")  # encoded already: they do not shrink, and no reader filters by them


def writer_options(schema: pa.Schema, few_values: list[str]) -> dict[str, Any]:
    """Return arguments of the parquet writer for rows with pictures.

    Args:
        few_values: columns with few distinct values, which get a dictionary.
    """
    leaves = [
        name
        for field in schema
        for name in ([f"{field.name}.bytes", f"{field.name}.path"] if field.type == IMAGE else [field.name])
    ]
    return {
        "compression": {name: "none" if name in PICTURES else "zstd" for name in leaves},
        "use_dictionary": few_values,
        "write_statistics": [name for name in leaves if name not in PICTURES],
    }


def with_columns(table: pa.Table, **columns: pa.Array) -> pa.Table:
    """Add columns to a table; those that exist are replaced in place."""
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.append_column(name, values) if index < 0 else table.set_column(index, name, values)
    return table


def row_groups(table: pa.Table, size: int) -> list[pa.Table]:
    """Cut a table into row groups of `size` rows. An empty table has none."""
    return [table.slice(start, size) for start in range(0, table.num_rows, max(1, size))]


def pictures(contents: list[bytes], names: list[str]) -> pa.StructArray:
    """Make a column of type `IMAGE` from encoded pictures and their names."""
    return pa.StructArray.from_arrays([binaries(contents), pa.array(names, pa.string())], fields=list(IMAGE))


def binaries(contents: list[bytes]) -> pa.Array:
    """Make a column of type `binary`. `pa.array` would copy what it has so far each time its memory is full."""
    ends = np.cumsum([0, *map(len, contents)])
    if ends[-1] > np.iinfo(np.int32).max:
        return pa.array(contents, pa.binary())  # in chunks
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(contents))]
    return pa.Array.from_buffers(pa.binary(), len(contents), buffers)
