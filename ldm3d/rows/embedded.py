"""Pictures that a table holds itself, in a column: as bytes, or in the form of Hugging Face `datasets`."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.rows.metadata import is_text, texts, values_of

_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*")  # of JPEG, PNG, GIF and TIFF
_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BRANDS = (b"ftypavif", b"ftypavis", b"ftypmif1")  # of AVIF, behind four bytes


@dataclass(frozen=True)
class Place:
    """Where the rows of a table that holds pictures are: what they are called follows from it."""

    table: str
    """Relative to the folder of the metadata."""
    first: int
    """Number of the first row in it, from 0."""

    def names(self, count: int) -> list[str]:
        """Return what the next `count` rows are called, in place of URLs."""
        return [f"{self.table}/{row}" for row in range(self.first, self.first + count)]


def may_hold_pictures(kind: pa.DataType) -> bool:
    """Return whether a column of this type may hold pictures: binary, or struct<bytes, path>."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_pictures(kind):
        return True
    return is_text(kind) and not any(test(kind) for test in _STRINGS)


def is_pictures(kind: pa.DataType) -> bool:
    """Return whether a column has the type that `datasets` gives to pictures (and sounds): struct<bytes, path>."""
    return (
        pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 and may_hold_pictures(kind.field("bytes").type)
    )


def cells(table: pa.Table, name: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return what a column holds of each of N pictures.

    Returns:
        contents: (N,) large_binary, its bytes; null where there are none.
        paths: (N,) string, that of its file, for a row without bytes; null where there is none.
    """
    values = values_of(table, name)
    if not is_pictures(values.type):
        if may_hold_pictures(values.type):
            return values.cast(pa.large_binary()), texts(table, None)
        return texts(table, None).cast(pa.large_binary()), texts(table, name)
    contents = pc.struct_field(values, "bytes").cast(pa.large_binary())
    has_path = values.type.get_field_index("path") >= 0
    paths = texts(pa.table({"path": pc.struct_field(values, "path")}), "path") if has_path else texts(table, None)
    return contents, pc.if_else(pc.is_valid(contents), pa.scalar(None, pa.string()), paths)


def begins_like_a_picture(content: bytes) -> bool:
    """Return whether bytes begin as the files of pictures do that are read."""
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    is_bmp = content[:2] == b"BM" and content[6:10] == bytes(4)
    return content.startswith(_STARTS) or is_webp or is_bmp or content[4:12] in _BRANDS
