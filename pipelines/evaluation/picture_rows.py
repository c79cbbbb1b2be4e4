"""Read and decode the pictures of one part of a set, in batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.measures import Batch
from ldm3d.measures.prepare import Filter, Size, depth_of, picture_of
from ldm3d.reject import Reason, Rejected
from pipelines.storage.folder import Folder
from pipelines.storage.store import CONCURRENCY


@dataclass(frozen=True)
class PartRows:
    """The pictures of a part and how they are prepared.

    `pipelines.evaluation.picture_set` describes url, files and columns.
    """

    url: str
    files: list[str]
    columns: dict[str, str]
    key: list[int]
    """In the order of the pictures, like `number`."""
    number: list[int]
    size: Size | None
    """Height and width to resize to; None leaves pictures as they are."""
    resize: Filter


@dataclass(frozen=True)
class ReadRows:
    """Some consecutive rows of a part."""

    batch: Batch
    """Those that could be read."""
    rejected: list[tuple[int, int, Rejected]]
    """The others: key, number and why."""


def read_part(part: PartRows, rows: int, decoders: ThreadPoolExecutor) -> Iterator[ReadRows]:
    """Read all pictures of a part in their order, at most `rows` at a time."""
    names = zip(part.key, part.number, strict=True)
    for records in _records(Folder(part.url), part, rows):
        yield _read(records, list(islice(names, len(records))), part, decoders.map)


def read_some(part: PartRows, places: Sequence[int]) -> Batch:
    """Read the pictures at some places of a part; those that cannot be read are left out."""
    folder = Folder(part.url)
    if part.columns["image"] == "file":
        records = [{"image": folder.read(part.files[place])} for place in places]
    else:
        rows = folder.read_table(part.files[0], columns=list(part.columns.values())).take(list(places)).to_pylist()
        records = [{column: row[name] for column, name in part.columns.items()} for row in rows]
    return _read(records, [(part.key[place], part.number[place]) for place in places], part, map).batch


def _read(
    records: list[dict[str, Any]], pairs: list[tuple[int, int]], part: PartRows, mapped: Callable[..., Iterable[Any]]
) -> ReadRows:
    """Decode records with a function like `map`, given key and number of each."""
    found = list(zip(pairs, mapped(partial(_decoded, part=part), records), strict=True))
    good = [(pair, row) for pair, row in found if not isinstance(row, Rejected)]
    rejected = [(*pair, row) for pair, row in found if isinstance(row, Rejected)]
    return ReadRows(_batch([pair for pair, _ in good], [row for _, row in good], part), rejected)


def _records(folder: Folder, part: PartRows, rows: int) -> Iterator[list[dict[str, Any]]]:
    """Yield rows with `image`, and `caption` and `depth` if the set has them, still encoded."""
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
    """Take the bytes of a picture out of an image column of `datasets`, or of a column of plain bytes."""
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
