"""What the page of many places shows: places, and the pictures that are none, each with the reason."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ldm3d.fusion.pages import gallery_page
from ldm3d.fusion.sentences import sentences_of_many
from ldm3d.reject import Reason
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard
from pipelines.views.render_shards import FOLDERS

SHOWN = 500  # places
LEFT_OUT = 100  # pictures that are no places
WHY = {
    Reason.BAD_ASPECT_RATIO: "It is no panorama",
    Reason.TOO_SMALL: "It is too small or too narrow for the depth model",
    Reason.INVALID_ROW: "It has no depth, or not of its size",
    Reason.NOT_AN_IMAGE: "It is no picture",
    Reason.TOO_MANY_PIXELS: "It is too large",
    Reason.DECODE_FAILED: "It cannot be read",
    Reason.FILE_NOT_FOUND: "The file is not there",
    Reason.FILE_FORBIDDEN: "The file may not be read",
    Reason.DEPTH_FAILED: "Its depth is not what it is said to be",
    Reason.GENERATE_FAILED: "The model could not draw it",
    Reason.RENDER_FAILED: "It is too large for a format",
}
"""Reasons in words."""


def gallery(output: Folder, shards: list[Shard], records: Mapping[str, Record], depth: Mapping[str, Any]) -> str:
    """Return the page of a finished output, in the order of the plan.

    Args:
        depth: what is assumed or unknown (`pipelines.views.depth_sum`).
    """
    kept, rows = (sum(getattr(record, name) for record in records.values()) for name in ("kept", "rows"))
    about = f"Places: {kept:,}, of {rows:,} pictures." + (f" The first {SHOWN}:" if kept > SHOWN else "")
    places = (
        (row["folder"], row["title"], _known(row))
        for row in _first(output, shards, FOLDERS[0], {name: each.kept for name, each in records.items()}, SHOWN)
    )
    counts = {name: each.rows - each.kept for name, each in records.items()}
    left_out = (_left_out(row) for row in _first(output, shards, FOLDERS[1], counts, LEFT_OUT))
    first = f"The first {LEFT_OUT} of {rows - kept:,}. " if rows - kept > LEFT_OUT else ""
    about_left_out = f"{first}All are in the folder {FOLDERS[1]}, as parquet files."
    title = output.url.rpartition("/")[2]
    return gallery_page(title, [about, *sentences_of_many(depth)], places, left_out, about_left_out)


def _first(
    output: Folder, shards: list[Shard], folder: str, counts: Mapping[str, int], most: int
) -> Iterator[dict[str, Any]]:
    """Yield the first rows of a folder. Shards that have none are not read."""
    for shard in shards:
        if most <= 0:
            return
        if counts[shard.name]:
            found = output.read_table(shard.file(folder)).slice(0, most).to_pylist()
            most -= len(found)
            yield from found


def _known(row: Mapping[str, Any]) -> str:
    """Return distances, and the picture's file where the title does not name it already."""
    source, title = row["source"], row["title"]
    is_named = title in (source, str(PurePosixPath(source).with_suffix("")))
    return f"{row['nearest']:.3g} to {row['farthest']:.3g} m" + ("" if is_named else f", {source}")


def _left_out(row: Mapping[str, Any]) -> tuple[str, str, str]:
    name, _, found = row["detail"].partition(": ")
    return name, WHY.get(row["reason"], row["reason"].replace("_", " ").capitalize()), found
