"""Captions to draw: foreign files -> a table, what of it can be drawn, and the samples to draw.

Nothing here depends on how the work is divided: keys come from the files, and seeds from the keys.
"""

import codecs
import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ldm3d.config import CaptionsConfig
from ldm3d.keys import make_key, rank, sample_seeds
from ldm3d.reject import Reason
from ldm3d.rows.columns import repeated
from ldm3d.rows.metadata import clean_captions
from ldm3d.schema import reject_rows

COLUMNS = ("caption", "TEXT", "text")  # names that publishers use
CAPTIONS = pa.schema([("key", pa.int64()), ("caption", pa.string()), ("image_id", pa.int64())])
PLANNED = pa.schema([*CAPTIONS, ("number", pa.int32()), ("seed", pa.int64())])
INT64 = range(-(2**63), 2**63)


def read_captions(name: str, file: BinaryIO) -> pa.Table:
    """Read the rows of a file, in their order.

    Args:
        name: .parquet with a column `caption` (or `TEXT`, `text`), and optionally `key` and `image_id`; .json with
            COCO's captions; or .txt with a caption on each line.
        file: its content.

    Returns:
        key: int64, null if the file has none.
        caption: cleaned as in a corpus, null if it is not text.
        image_id: int64, null if the file has none.

    Raises:
        ValueError: the file is none of the three, or broken.
    """
    readers = {".parquet": _of_parquet, ".json": _of_coco, ".txt": _of_text}
    suffix = PurePath(name).suffix.lower()
    if suffix not in readers:
        raise ValueError(f"{name!r} ends in {suffix!r}, wanted captions in one of {', '.join(readers)}")
    return readers[suffix](name, file)


@dataclass(frozen=True)
class Captions:
    """The rows of an input, divided into those that are drawn and the others."""

    drawn: pa.Table
    """key, caption, image_id, in an order that the keys determine."""
    rejected: pa.Table
    """key, caption, image_id of rows without a caption."""
    left_out: int
    """Number of captions beyond the count that was asked for."""

    @classmethod
    def of(cls, rows: pa.Table, config: CaptionsConfig) -> Self:
        """Choose what to draw.

        Args:
            rows: as `read_captions` returns them, from all files of the input. Those without a key get a hash of their
                number, from 1, and caption.
            config: how many captions to draw.

        Raises:
            ValueError: two rows share a key, or there is nothing to draw.
        """
        rows = rows.set_column(0, "key", pa.array(_keys(rows), pa.int64()))
        _require_unique(rows)
        is_text = pc.fill_null(pc.not_equal(rows["caption"], ""), False)
        texts = rows.filter(is_text)
        if texts.num_rows == 0:
            raise ValueError(f"none of its rows ({rows.num_rows}) has a caption: give at least one")
        order = np.argsort(rank(texts["key"].to_numpy(), 0), kind="stable")  # the sample does not depend on the seed
        drawn = texts.take(pa.array(order[: config.count]))
        return cls(drawn, rows.filter(pc.invert(is_text)), texts.num_rows - drawn.num_rows)

    def rejects(self) -> pa.Table:
        """Return the rejected rows as `reject/v1`."""
        count = self.rejected.num_rows
        return reject_rows(self.rejected["key"], "captions", [Reason.INVALID_ROW] * count, ["no caption"] * count)

    def samples(self, start: int, stop: int, config: CaptionsConfig) -> pa.Table:
        """Return the samples `start` to `stop` with the columns of `PLANNED`: all of one caption, then all of the
        next."""
        last = self.drawn.num_rows * config.per_caption
        place, number = np.divmod(np.arange(start, min(stop, last)), config.per_caption)
        rows = self.drawn.take(pa.array(place))
        seeds = sample_seeds(rows["key"].to_numpy(), number, config.seed)
        columns = [*rows.columns, pa.array(number, pa.int32()), pa.array(seeds, pa.int64())]
        return pa.Table.from_arrays(columns, schema=PLANNED)


def _of_parquet(name: str, file: BinaryIO) -> pa.Table:
    try:
        opened = pq.ParquetFile(file)
        names = opened.schema_arrow.names
        found = [column for column in COLUMNS if column in names]
        numbers = [column for column in ("key", "image_id") if column in names]
        if not found:
            raise ValueError(f"{name!r} has the columns {names}, wanted one of {', '.join(COLUMNS)}: rename one")
        if again := repeated(names, [found[0], *numbers]):
            raise ValueError(f"{name!r} has the columns {again} more than once: rename or remove the others")
        rows = opened.read(columns=[found[0], *numbers])
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter for column names
        raise ValueError(f"{name!r} is not a complete parquet file ({error}): download it again") from error
    key, image_id = (_integers(name, rows, column) for column in ("key", "image_id"))
    return pa.Table.from_arrays([key, clean_captions(rows, found[0]), image_id], schema=CAPTIONS)


def _integers(name: str, rows: pa.Table, column: str) -> pa.ChunkedArray:
    """Return a column as int64, or nulls if there is none."""
    if column not in rows.column_names:
        return pa.chunked_array([pa.nulls(rows.num_rows, pa.int64())])
    kind = rows[column].type
    try:
        if pa.types.is_integer(kind):
            return rows[column].cast(pa.int64())
    except pa.ArrowInvalid as error:  # beyond signed 64 bits
        kind = f"{kind} ({error})"
    raise ValueError(f"{name!r} has a {column} of type {kind}, wanted int64: cast the column, or leave it out")


def _of_coco(name: str, file: BinaryIO) -> pa.Table:
    wanted = "wanted COCO's captions, {'annotations': [{'id': 37, 'image_id': 203564, 'caption': 'A bicycle'}]}"
    try:
        content = json.load(file)
    except ValueError as error:  # not JSON, or not UTF-8
        raise ValueError(f"{name!r} is not JSON ({error}), {wanted}") from error
    found = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise ValueError(f"{name!r} has no list of annotations, {wanted}")
    for place, row in enumerate(found):
        ids = [row.get("id"), row.get("image_id")] if isinstance(row, dict) else [None]
        if not all(type(number) is int and number in INT64 for number in ids):
            raise ValueError(f"{name!r}: annotation {place} lacks an integer id or image_id, {wanted}")
    captions = [row.get("caption") for row in found]
    return _table([row["id"] for row in found], captions, [row["image_id"] for row in found])


def _of_text(name: str, file: BinaryIO) -> pa.Table:
    lines = decode_text(name, file.read()).split("\n")
    lines = lines if lines[-1] else lines[:-1]  # what follows the last line break is not a line
    nothing = [None] * len(lines)
    return _table(nothing, lines, nothing)


def decode_text(name: str, content: bytes) -> str:
    """Decode UTF-8, or UTF-16 with a byte order mark, as Windows writes it.

    Raises:
        ValueError: it is neither.
    """
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        kind = "UTF-16" if is_wide else "UTF-8"
        raise ValueError(f"{name!r} is not {kind} in line {line} ({error.reason}): save it as UTF-8") from error
    if text.count("\0") > len(text) / 4:  # UTF-16 without a mark; one by one they are removed like other controls
        raise ValueError(f"{name!r} is not UTF-8 but full of zero bytes: save it as UTF-8")
    return text


def _table(keys: list[Any], captions: list[Any], image_ids: list[Any]) -> pa.Table:
    # as bytes: JSON may hold halves of surrogate pairs, which are not UTF-8
    texts = [caption.encode("utf-8", "replace") if isinstance(caption, str) else None for caption in captions]
    table = pa.table({"caption": pa.array(texts, pa.binary())})
    columns = [pa.array(keys, pa.int64()), clean_captions(table, "caption"), pa.array(image_ids, pa.int64())]
    return pa.Table.from_arrays(columns, schema=CAPTIONS)


def _keys(rows: pa.Table) -> list[int]:
    pairs = zip(rows["key"].to_pylist(), rows["caption"].to_pylist(), strict=True)
    return [make_key(f"{number}:{caption}") if key is None else key for number, (key, caption) in enumerate(pairs, 1)]


def _require_unique(rows: pa.Table) -> None:
    keys: NDArray[np.int64] = rows["key"].to_numpy()
    found, counts = np.unique(keys, return_counts=True)
    if len(found) < len(keys):
        again = int(found[counts > 1][0])
        captions = rows.filter(pc.equal(rows["key"], again))["caption"].to_pylist()[:2]
        raise ValueError(
            f"its {len(keys)} rows have only {len(found)} keys, {again} for both of {captions}: wanted one for each. "
            "Remove rows, or the column `key`"
        )
