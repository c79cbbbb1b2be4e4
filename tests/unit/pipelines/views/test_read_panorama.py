"""A planned picture is a panorama or flat, by its size or by what is said, or rejected with a reason."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig, PictureConfig
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.immersive.depth_files import npy
from ldm3d.immersive.projection import EQUIRECTANGULAR, Perspective
from ldm3d.reject import Reason, Rejected
from pipelines.storage.folder import Folder
from pipelines.views.panoramas import Panoramas
from pipelines.views.read_panorama import name_of, read_panorama


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A panorama, by its size, and a picture that can be none."""
    for name, (height, width) in {"around": (8, 16), "flat": (8, 12)}.items():
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}-depth.npy").write_bytes(npy(np.full((height, width), 2.0)))
    return tmp_path


def read(folder: Path, projection: Any = "auto", kind: Any = "distance", model: str | None = None) -> dict[str, Any]:
    """What is read of each, by its name, or why it is rejected."""
    config = DepthFusionConfig(
        input=str(folder),
        output="out",
        picture=PictureConfig(projection=projection, fov=40.0),
        depth=DepthMeaningConfig(kind=kind, model=model),
    )
    found: dict[str, Any] = {}
    for row in Panoramas.of(config).groups["panoramas"].to_pylist():
        try:
            found[name_of(row)] = read_panorama(row, config, is_drawn=False)
        except Rejected as error:
            found[name_of(row)] = error
    return found


def test_each_is_what_its_size_says(folder):
    found = read(folder)
    assert found["around.png"].projection == EQUIRECTANGULAR
    assert found["flat.png"].projection == Perspective(40.0)
    assert (found["around.png"].distance == 2).all()
    assert found["flat.png"].distance.max() < 2  # along the axis


def test_what_is_said_goes_before_its_size(folder):
    assert read(folder, "flat")["around.png"].projection == Perspective(40.0)
    found = read(folder, "360")
    assert found["around.png"].projection == EQUIRECTANGULAR
    assert found["flat.png"].reason == Reason.BAD_ASPECT_RATIO


def test_a_flat_picture_needs_no_map_where_a_model_estimates_depth(folder):
    for name in ("around", "flat"):
        (folder / f"{name}-depth.npy").unlink()
    found = read(folder, model="a/model")
    assert {name: type(each) for name, each in found.items()} == {"around.png": Unmeasured, "flat.png": Unmeasured}
    assert found["around.png"].projection == EQUIRECTANGULAR
    assert found["flat.png"].projection == Perspective(40.0)
    assert read(folder, "360", model="a/model")["flat.png"].reason == Reason.BAD_ASPECT_RATIO


def test_a_row_keeps_its_caption_and_one_without_is_named_by_its_place(tmp_path):
    picture, depth = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(picture, "PNG")
    Image.fromarray(np.full((8, 16), 1, np.uint16)).save(depth, "PNG")
    rows = {"image": [picture.getvalue()] * 3, "depth": [depth.getvalue(), None, depth.getvalue()]}
    Folder(str(tmp_path)).write_tables("a.parquet", [pa.table(rows | {"caption": ["a room", "a lake", None]})])
    found = read(tmp_path, model="a/model")
    assert [(each.title, each.caption) for each in found.values()] == [
        ("a room", "a room"),
        ("a lake", "a lake"),
        ("a.parquet:0:2", ""),
    ]
    assert isinstance(found["a.parquet:0:1"], Unmeasured)


def test_a_panorama_has_no_axis(folder):
    found = read(folder, kind="z")
    assert (found["flat.png"].distance == 2).all()
    assert found["around.png"].reason == Reason.DEPTH_FAILED
    assert "a panorama has no axis" in found["around.png"].detail
