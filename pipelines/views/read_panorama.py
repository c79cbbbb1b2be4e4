"""One planned panorama -> its picture and depth, or why it is rejected."""

import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthFusionConfig
from ldm3d.fusion.panorama import LARGEST, Panorama, is_too_large
from ldm3d.fusion.projection import projection_of
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.images import decode_depth
from ldm3d.immersive.depth_files import read_map
from ldm3d.immersive.sphere import is_panorama
from ldm3d.immersive.still import Provenance
from ldm3d.measures.prepare import picture_of
from ldm3d.reject import Reason, Rejected
from pipelines.storage.folder import Folder
from pipelines.views.picture_list import panorama_folder


def read_panorama(row: dict[str, Any], config: DepthFusionConfig, *, is_drawn: bool) -> Panorama | Unmeasured:
    """Read a row of the plan. Where a model is to estimate depth it may have no map.

    Args:
        row: see `pipelines.views.planned_rows.PLANNED`.
        config: says where the panoramas are, and what their depth means.
        is_drawn: whether `generate` made them.

    Raises:
        Rejected: it is no panorama, or has no depth, or none of what it is said to be.
        OSError: a store fails.
    """
    if row["row_group"] < 0:
        picture, numbers, about = _of_files(row, config)
    else:
        picture, numbers, about = _of_table(row, config)
    height, width = picture.shape[:2]
    if config.picture.projection == "360" and not is_panorama(height, width):
        wanted = "wanted a panorama of 360 by 180 degrees, twice as wide as high"
        raise Rejected(Reason.BAD_ASPECT_RATIO, f"{width} x {height}, {wanted}")
    if is_too_large(height, width):
        raise Rejected(Reason.TOO_MANY_PIXELS, f"{width} x {height}, at most as many as {LARGEST} x {LARGEST // 2}")
    projection = projection_of(config.picture, height, width)
    if numbers is not None and numbers.shape != (height, width):
        sizes = f"depth {numbers.shape[1]} x {numbers.shape[0]}, picture {width} x {height}"
        raise Rejected(Reason.INVALID_ROW, f"{sizes}: wanted one size")
    seed = about.pop("sample_seed", None)
    source = {"source": name_of(row)} | ({} if row["depth"] is None else {"depth_source": row["depth"]})
    made = Provenance(None)
    if is_drawn and row["row_group"] >= 0:
        made = Provenance("trainedAlgorithmicMedia", str(about.get("checkpoint") or ""), seed)
        source |= {"checkpoint": about.get("checkpoint"), "seed": seed}
    if numbers is None:
        return Unmeasured(picture, about["title"], made, source, projection, about["caption"])
    try:
        panorama = Panorama.of(picture, numbers, config.depth.kind or "relative", config.depth, projection)
    except ValueError as error:
        raise Rejected(Reason.DEPTH_FAILED, str(error)) from error
    return replace(panorama, title=about["title"], caption=about["caption"], about=source, provenance=made)


def name_of(row: dict[str, Any]) -> str:
    """Return what names a planned panorama for people: its file, and with a row FILE:GROUP:ROW."""
    return str(row["file"]) if row["row_group"] < 0 else f"{row['file']}:{row['row_group']}:{row['row']}"


def _of_files(row: dict[str, Any], config: DepthFusionConfig) -> tuple[Any, Any, dict[str, Any]]:
    if row["depth"] is None and config.depth.model is None:
        raise Rejected(Reason.INVALID_ROW, "no map of its depth")
    folder = panorama_folder(config.input or "")
    picture = picture_of(_content(folder, row["file"]), None)
    title = {"title": PurePosixPath(row["file"]).stem, "caption": ""}
    if row["depth"] is None:
        return picture, None, title
    map_file = PurePosixPath(row["depth"])
    content = _content(folder if config.depth.source is None else Folder(config.depth.source), row["depth"])
    with tempfile.TemporaryDirectory() as scratch:  # libraries read maps from files alone
        file = Path(scratch, map_file.name)
        file.write_bytes(content)
        try:
            numbers = np.array(read_map(file))
        except ValueError as error:
            text = str(error).replace(str(file), row["depth"])
            raise Rejected(Reason.DECODE_FAILED, text) from error
    return picture, numbers, title


def _of_table(row: dict[str, Any], config: DepthFusionConfig) -> tuple[Any, Any, dict[str, Any]]:
    folder = Folder(config.input or "")
    with folder.parquet_file(row["file"]) as opened:
        names = ("image", "depth", "caption", "checkpoint", "seed")
        columns = [name for name in names if name in opened.schema_arrow.names]
        read = opened.read_row_group(row["row_group"], columns=columns)
    (found,) = read.slice(row["row"], 1).to_pylist()
    picture = picture_of(_bytes(found["image"], "picture"), None)
    numbers: NDArray[Any] | None = None
    try:
        if config.depth.model is None or _is_given(found.get("depth")):
            numbers = decode_depth(_bytes(found["depth"], "depth"))
    except ValueError as error:
        raise Rejected(Reason.DECODE_FAILED, str(error)) from error
    caption = str(found.get("caption") or "")
    title = caption or _called(found["image"]) or name_of(row)
    about = {"title": title, "caption": caption, "checkpoint": found.get("checkpoint")}
    return picture, numbers, about | {"sample_seed": found.get("seed")}


def _content(folder: Folder, name: str) -> bytes:
    try:
        return folder.read(name)
    except FileNotFoundError as error:
        raise Rejected(Reason.FILE_NOT_FOUND, name) from error
    except PermissionError as error:
        raise Rejected(Reason.FILE_FORBIDDEN, name) from error


def _called(image: Any) -> str:
    """Return the name that an image column of `datasets` keeps with a picture, without its ending; "" for none."""
    path = image.get("path") if isinstance(image, dict) else None
    return PurePosixPath(path).stem if isinstance(path, str) else ""


def _is_given(value: Any) -> bool:
    """Tell whether there is anything in a column."""
    return value is not None and not (isinstance(value, dict) and value.get("bytes") is None)


def _bytes(value: Any, what: str) -> bytes:
    """Take the bytes of a picture out of an image column of `datasets`, or of a column of plain bytes."""
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise Rejected(Reason.INVALID_ROW, f"the {what} is {type(content).__name__}, wanted bytes")
    return content
