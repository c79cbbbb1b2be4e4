"""The panoramas that a run is given, listed before any work starts: samples, tables, or picture files with maps."""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import pyarrow as pa

from ldm3d.config import DepthFusionConfig
from ldm3d.config.depth_fusion import PICTURES
from ldm3d.config.exports import CAPTION
from ldm3d.fusion.reading import MAPS, kind_of, maps_for, maps_in_another_folder, without_maps
from ldm3d.keys import make_key
from ldm3d.prompt_files import file_name
from pipelines.storage.folder import Folder, concurrently
from pipelines.storage.input_files import input_files
from pipelines.storage.inputs import readable, require_finished
from pipelines.storage.run import CONFIG, SUCCESS
from pipelines.views.picture_list import is_list, listed_pictures, panorama_folder
from pipelines.views.planned_rows import planned_rows, rows_of_table

PARQUET = (".parquet",)
WANTED = (
    "one panorama, the output of `generate`, a folder of parquet files with columns `image` and `depth`, or a folder "
    "of pictures with maps beside them, such as room.png and room-depth.png, or a .txt with one picture on each line"
)
GROUP = "panoramas"  # of those that are not samples of a point of a grid


@dataclass(frozen=True)
class Panoramas:
    """What is known of the panoramas. They themselves are read where they are rendered."""

    groups: dict[str, pa.Table]
    """Rows of `PLANNED`, by the point of the grid that drew them."""
    is_drawn: bool
    """Whether `generate` made them, whose depth is relative."""
    fingerprint: str
    """Hex digits that change with names and sizes of the files, and with what their stage said of them."""

    @classmethod
    def of(cls, config: DepthFusionConfig) -> Self:
        """List the panoramas.

        Raises:
            ValueError: there are none, they cannot be read, have no depth, or nobody says what it means.
        """
        url = config.input or ""
        folder = panorama_folder(url)
        with readable(url):
            if is_list(url):
                return cls._of_pictures(config, folder, listed_pictures(url))
            if not folder.exists() or folder.is_file():
                raise ValueError(f"--input {url!r} is not a folder or a picture: give {WANTED}")
            if folder.exists(SUCCESS) or folder.exists(CONFIG):
                return cls._of_samples(config, folder, require_finished(url, WANTED))
            found = input_files(folder, "--input", PARQUET, (*PICTURES, *MAPS))
            if not found:
                raise ValueError(f"--input {url!r} holds no panorama: give {WANTED}")
            if next(iter(found)).lower().endswith(PARQUET):
                return cls._of_tables(config, folder, {GROUP: found}, "", is_drawn=False)
            names = {name: size for name, size in found.items() if name.lower().endswith(PICTURES)}
            return cls._of_pictures(config, folder, names)

    @property
    def count(self) -> int:
        """Number of panoramas."""
        return sum(table.num_rows for table in self.groups.values())

    def about(self) -> dict[str, Any]:
        """Return what identity and success marker say about them."""
        return {
            "fingerprint": self.fingerprint,
            "groups": {name: table.num_rows for name, table in self.groups.items()},
        }

    @classmethod
    def _of_samples(cls, config: DepthFusionConfig, folder: Folder, summary: dict[str, Any]) -> Self:
        points = [name for name, about in summary.get("points", {}).items() if about["rows"]]
        if not points:
            raise ValueError(f"--input {config.input!r} holds no samples of `generate`: give {WANTED}")
        files = {}
        for point in points:
            found = input_files(Folder(f"{folder.url}/samples/{point}"), "--input", PARQUET)
            files[point] = {f"samples/{point}/{name}": size for name, size in found.items()}
        return cls._of_tables(config, folder, files, json.dumps(summary, sort_keys=True), is_drawn=True)

    @classmethod
    def _of_tables(
        cls, config: DepthFusionConfig, folder: Folder, files: dict[str, dict[str, int]], made: str, *, is_drawn: bool
    ) -> Self:
        if config.depth.source is not None:
            raise ValueError(
                f"--depth.source is {config.depth.source!r}: for parquet files depth is a column, `depth`"
            )
        groups = {
            name: pa.concat_tables(concurrently(partial(rows_of_table, folder, config, is_drawn), each))
            for name, each in files.items()
        }
        _require_unique(folder.url, groups)
        sizes = [list(each.items()) for each in files.values()]
        return cls(groups, is_drawn, _digest([made, sizes]))

    @classmethod
    def _of_pictures(cls, config: DepthFusionConfig, folder: Folder, found: dict[str, int]) -> Self:
        if config.surface.takes_captions:
            raise ValueError(
                f"--surface.prompt is {config.surface.prompt!r}, and files of pictures have no captions: give a text "
                f"without {CAPTION}, or parquet files with a column `caption`"
            )
        source = config.depth.source
        maps = folder if source is None else Folder(source)
        with readable(maps.url, "--depth.source"):
            sizes = maps.sizes()
        names = without_maps(found)
        if not names:
            raise ValueError(f"--input {config.input!r} holds maps, and no panorama: give {WANTED}")
        choices = maps_for if source is None else maps_in_another_folder
        depths = [next((each for each in choices(name) if each in sizes), None) for name in names]
        if config.depth.model is None and not any(depths):
            raise ValueError(
                f"no panorama of --input {config.input!r} has a map in {maps.url!r}: wanted {choices(names[0])[0]} "
                f"for {names[0]}, and so on, or the folder of the maps as --depth.source; or --depth.model, to "
                "estimate depth"
            )
        for name, depth in zip(names, depths, strict=True):
            if depth is not None:
                stem = depth.removesuffix("-depth.png")
                drawn = source is None and depth == file_name(stem, "depth") and file_name(stem, "both") in sizes
                kind_of(config.depth, f"{depth}, the map of {name},", is_drawn=drawn)
        keys = np.array([make_key(name) for name in names], np.int64)
        table = planned_rows(keys, np.zeros(len(names), np.int32), config.seed, names, depths=depths)
        about = [(name, found[name], depth, sizes.get(depth or "")) for name, depth in zip(names, depths, strict=True)]
        return cls({GROUP: table}, False, _digest(about))


def _require_unique(url: str, groups: dict[str, pa.Table]) -> None:
    """Check that a key and number name one panorama of a group: they name its folder."""
    for table in groups.values():
        pairs = list(zip(table["key"].to_pylist(), table["number"].to_pylist(), strict=True))
        if len(set(pairs)) < len(pairs):
            twice = next(pair for pair in pairs if pairs.count(pair) > 1)
            raise ValueError(f"--input {url!r} has the key {twice[0]} twice: wanted a key for each, or no such column")


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
