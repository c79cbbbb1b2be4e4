"""The pictures of one part of a set, read and decoded, in batches."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.measures import Batch
from ldm3d.measures.prepare import Filter, Size, depth_of, picture_of
from ldm3d.reject import Reason, Rejected
from pipelines.storage.folder import CONCURRENCY, Folder


@dataclass(frozen=True)
class PartRows:
    """What of a part is measured, and how it is looked at.

    url, files, columns: see `pipelines.evaluation.picture_sets`.
    key, number: of its pictures, in their order.
    size: H, W; None leaves pictures as they are.
    """

    url: str
    files: list[str]
    columns: dict[str, str]
    key: list[int]
    number: list[int]
    size: Size | None
    resize: Filter


@dataclass(frozen=True)
class Read:
    """A batch, and the rows before, in and after it that could not be read: key, number and why."""

    batch: Batch
    rejected: list[tuple[int, int, Rejected]]


def read_part(part: PartRows, rows: int, decoders: ThreadPoolExecutor) -> Iterator[Read]:
    """All pictures of a part, in their order, at most `rows` at a time."""
    folder = Folder(part.url)
    names = zip(part.key, part.number, strict=True)
    for records in _records(folder, part, rows):
        found = list(decoders.map(lambda record: _decoded(record, part), records))
        pairs = list(islice(names, len(records)))
        good = [place for place, row in enumerate(found) if not isinstance(row, Rejected)]
        rejected = [(*pair, row) for pair, row in zip(pairs, found, strict=True) if isinstance(row, Rejected)]
        yield Read(_batch([pairs[place] for place in good], [found[place] for place in good], part), rejected)


def read_some(part: PartRows, places: Sequence[int]) -> Batch:
    """A few pictures of a part, of those that can be read."""
    folder, file = Folder(part.url), part.columns["image"] == "file"
    if file:
        records = [{"image": folder.read(part.files[place])} for place in places]
    else:
        rows = folder.read_table(part.files[0], columns=list(part.columns.values())).take(list(places)).to_pylist()
        records = [{column: row[name] for column, name in part.columns.items()} for row in rows]
    found = [(place, _decoded(record, part)) for place, record in zip(places, records, strict=True)]
    good = [(place, row) for place, row in found if not isinstance(row, Rejected)]
    return _batch([(part.key[place], part.number[place]) for place, _ in good], [row for _, row in good], part)


def _records(folder: Folder, part: PartRows, rows: int) -> Iterator[list[dict[str, Any]]]:
    """Rows with `image`, bytes, and `caption`, `depth` where the set has them."""
    if part.columns["image"] == "file":
        with ThreadPoolExecutor(min(CONCURRENCY, rows)) as readers:
            for start in range(0, len(part.files), rows):
                contents = readers.map(folder.read, part.files[start : start + rows])
                yield [{"image": content} for content in contents]
        return
    for batch in folder.read_batches(part.files[0], list(part.columns.values()), rows):
        yield [{column: row[name] for column, name in part.columns.items()} for row in batch.to_pylist()]


def _decoded(record: dict[str, Any], part: PartRows) -> dict[str, Any] | Rejected:
    try:
        row: dict[str, Any] = {"image": picture_of(_bytes(record["image"]), part.size, part.resize)}
        if "caption" in part.columns:
            if not isinstance(record["caption"], str):
                raise Rejected(Reason.INVALID_ROW, "no caption")
            row["caption"] = record["caption"]
        if "depth" in part.columns:
            row["depth"] = depth_of(_bytes(record["depth"]), part.size, part.resize)
            if row["depth"].shape != row["image"].shape[:2]:
                sizes = f"picture {row['image'].shape[:2]}, depth {row['depth'].shape}"
                raise Rejected(Reason.INVALID_ROW, f"{sizes}: want one size")
    except Rejected as error:
        return error
    return row


def _bytes(value: Any) -> bytes:
    """Of a column of pictures as `datasets` has them, or of plain bytes."""
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise Rejected(Reason.INVALID_ROW, f"the picture is {type(content).__name__}, wanted bytes")
    return content


def _batch(pairs: list[tuple[int, int]], rows: list[Any], part: PartRows) -> Batch:
    keys: NDArray[np.int64] = np.array([key for key, _ in pairs], np.int64)
    return Batch(
        keys,
        np.array([number for _, number in pairs], np.int32),
        [row["image"] for row in rows],
        [row["caption"] for row in rows] if "caption" in part.columns else None,
        [row["depth"] for row in rows] if "depth" in part.columns else None,
    )
