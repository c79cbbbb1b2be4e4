"""A panorama and its depth map as files: which map belongs to which panorama, and both read."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig
from ldm3d.fusion.meaning import FLAG, Kind
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.projection import projection_of
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.immersive.depth_files import read_map
from ldm3d.immersive.flat_depth import check_shape
from ldm3d.immersive.projection import Perspective
from ldm3d.measures.prepare import picture_of
from ldm3d.prompt_files import file_name
from ldm3d.reject import Rejected

MAPS = (".png", ".exr", ".npy", ".pfm", ".tif", ".tiff")
"""How maps end, in lower case; of several the first."""


def maps_for(picture: str) -> list[str]:
    """Return the names that the map of a picture may have beside it: `NAME-depth.png` and so on."""
    stem = str(PurePosixPath(picture).with_suffix(""))
    return [f"{stem}-depth{ending}" for ending in MAPS]


def maps_in_another_folder(picture: str) -> list[str]:
    """Return the names that the map of a picture may have in a folder of maps: `NAME.png`, `NAME-depth.png` ..."""
    stem = str(PurePosixPath(picture).with_suffix(""))
    return [*(f"{stem}{ending}" for ending in MAPS), *maps_for(picture)]


def without_maps(names: Iterable[str]) -> list[str]:
    """Return the files that are pictures themselves, and not the depth of one among them, or both in one."""
    known = set(names)
    stems = {str(PurePosixPath(name).with_suffix("")) for name in known}
    beside = {name for stem in stems for name in (*maps_for(stem + ".x"), file_name(stem, "both"))}
    return sorted(known - beside)


def kind_of(config: DepthMeaningConfig, source: str, *, is_drawn: bool) -> Kind:
    """Return what the numbers of a map are.

    Args:
        config: may say it.
        source: the map, for the message.
        is_drawn: whether it is named, or stored, as `generate` does with what it draws.

    Raises:
        ValueError: nobody says it.
    """
    if config.kind is not None:
        return config.kind
    if is_drawn:
        return "relative"
    raise ValueError(
        f"what the numbers of {source} mean is not known: give {FLAG} distance (metres along the ray), inverse "
        "(1 / metres) or relative (larger is nearer), or of a flat picture z (metres along the axis)"
    )


def read_panorama(config: DepthFusionConfig) -> Panorama | Unmeasured:
    """Read the panorama of a config whose input is one picture. Where a model is to estimate depth it may have no map.

    Raises:
        ValueError: a file is not there or cannot be read, they do not fit each other, or it is not known what depth
            means.
    """
    if config.input is None:
        raise ValueError("--input is missing: give a panorama, or --prompt, from which one is drawn")
    file = Path(config.input)
    if not file.is_file():
        raise ValueError(f"--input {config.input!r} is not a file: give a panorama, or a folder of them")
    depth = depth_file(file, config.depth)
    if depth is None:
        return _unmeasured(file, config)
    panorama = read_pair(file, depth, config)
    return replace(panorama, title=file.stem, about={"source": file.name, "depth_source": depth.name})


def depth_file(file: Path, config: DepthMeaningConfig) -> Path | None:
    """Find the map of a panorama. None if there is none, and a model is to estimate depth.

    Raises:
        ValueError: there is none, and no model; or the place that is said to hold it is not there.
    """
    if config.source is not None:
        given = Path(config.source)
        if given.is_file():
            return given
        found = [given / name for name in maps_in_another_folder(file.name) if (given / name).is_file()]
        if not found and (config.model is None or not given.is_dir()):
            raise ValueError(
                f"--depth.source {config.source!r} "
                + (f"holds no map of {file.name}" if given.is_dir() else "is neither a file nor a folder")
                + ": give the map, or the folder that it is in"
            )
        return found[0] if found else None
    found = [file.with_name(name) for name in maps_for(file.name) if file.with_name(name).is_file()]
    if not found and config.model is None:
        raise ValueError(
            f"there is no depth of {str(file)!r}: give its map by --depth.source, put it beside it, as "
            f"{file.stem}-depth.png with a --depth.kind, or let a model estimate it: --depth.model Intel/dpt-large"
        )
    return found[0] if found else None


def read_pair(file: Path, depth: Path, config: DepthFusionConfig) -> Panorama:
    """Read a panorama and its map.

    Raises:
        ValueError: as `read_panorama`.
    """
    is_drawn = depth == Path(file_name(str(file.with_suffix("")), "depth")) and is_drawn_with(depth.parent, file.stem)
    kind = kind_of(config.depth, repr(str(depth)), is_drawn=is_drawn)
    picture = _picture(file)
    numbers: NDArray[Any] = read_map(depth)
    try:
        projection = projection_of(config.picture, *picture.shape[:2])
        return Panorama.of(picture, numbers, kind, config.depth, projection)
    except ValueError as error:
        raise ValueError(f"{file.name} and {depth.name}: {error}") from error


def is_drawn_with(folder: Path, stem: str) -> bool:
    """Whether `generate` has drawn a picture: beside it there is the third file that it writes, which no other has."""
    return (folder / file_name(stem, "both")).is_file()


def _unmeasured(file: Path, config: DepthFusionConfig) -> Unmeasured:
    picture = _picture(file)
    projection = projection_of(config.picture, *picture.shape[:2])
    if isinstance(projection, Perspective):
        try:
            check_shape(*picture.shape[:2])
        except Rejected as error:
            remedy = f"give its map by --depth.source, or put it beside it, as {file.stem}-depth.png"
            raise ValueError(f"{str(file)!r} is {error.detail}: {remedy}") from error
    return Unmeasured(picture, title=file.stem, about={"source": file.name}, projection=projection)


def _picture(file: Path) -> NDArray[np.uint8]:
    try:
        return picture_of(file.read_bytes(), None)
    except Rejected as error:
        raise ValueError(f"{str(file)!r} cannot be read as a picture: {error}") from error
