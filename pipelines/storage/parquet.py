"""Tables as parquet files have them: row groups, columns of pictures, what is worth compressing."""

from typing import Any

import pyarrow as pa

from ldm3d.schema import IMAGE

PICTURES = ("image.bytes", "depth.bytes")  # encoded already: they do not shrink, and no reader filters by them


def writer_options(schema: pa.Schema, few_values: list[str]) -> dict[str, Any]:
    """Arguments of the parquet writer for rows with pictures. `few_values`: columns worth a dictionary."""
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


def row_groups(table: pa.Table, size: int) -> list[pa.Table]:
    """A table cut into row groups of `size` rows; none where it is empty."""
    return [table.slice(start, size) for start in range(0, table.num_rows, max(1, size))]


def pictures(contents: list[bytes], names: list[str]) -> pa.StructArray:
    """Encoded pictures and their names as a column of `IMAGE`."""
    return pa.StructArray.from_arrays(
        [pa.array(contents, pa.binary()), pa.array(names, pa.string())], fields=list(IMAGE)
    )
