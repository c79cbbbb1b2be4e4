"""Which map belongs to a panorama, and that nobody guesses what its numbers mean."""

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig
from ldm3d.fusion.reading import kind_of, read_panorama, without_maps
from ldm3d.immersive.depth_files import npy, pfm

PICTURE = np.arange(96, dtype=np.uint8).reshape(4, 8, 3)
DISTANCE = np.linspace(1, 4, 32).reshape(4, 8)
RELATIVE = np.arange(0, 64_000, 2_000, dtype=np.uint16).reshape(4, 8)


@pytest.fixture
def room(tmp_path) -> Path:
    Image.fromarray(PICTURE).save(tmp_path / "room.png")
    return tmp_path / "room.png"


def config(room: Path, source: Path | None = None, **depth: object) -> DepthFusionConfig:
    meaning = DepthMeaningConfig(source=None if source is None else str(source), **depth)
    return DepthFusionConfig(input=str(room), output="out", depth=meaning)


def test_what_generate_drew_needs_no_words(room):
    Image.fromarray(RELATIVE).save(room.with_name("room-depth.png"))
    with pytest.raises(ValueError, match="is not known"):  # anybody may call millimetres so
        read_panorama(config(room))
    Image.fromarray(PICTURE).save(room.with_name("room-both.png"))
    panorama = read_panorama(config(room))
    assert (panorama.kind, panorama.title) == ("relative", "room")
    assert np.array_equal(panorama.depth, RELATIVE)
    assert np.array_equal(panorama.picture, PICTURE)


@pytest.mark.parametrize("name", ["room-depth.npy", "other.npy", "other.pfm", "maps/room.npy"])
def test_maps_are_found_beside_it_where_they_are_said_to_be_and_in_a_folder_of_maps(room, name):
    file = room.with_name("x").parent / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes((pfm if name.endswith("pfm") else npy)(DISTANCE))
    source = None if name.startswith("room") else file.parent if name.startswith("maps") else file
    np.testing.assert_allclose(read_panorama(config(room, source, kind="distance")).distance, DISTANCE, rtol=1e-6)
    with pytest.raises(ValueError, match=r"--depth\.kind distance \(metres along the ray\), inverse"):
        read_panorama(config(room, source))


def test_a_16_bit_map_that_is_given_has_to_be_declared(room):
    """KITTI's distances have the same format as relative depth, and the opposite polarity."""
    Image.fromarray(RELATIVE).save(room.with_name("kitti.png"))
    with pytest.raises(ValueError, match="is not known"):
        read_panorama(config(room, room.with_name("kitti.png")))
    read = read_panorama(config(room, room.with_name("kitti.png"), kind="distance", scale=1 / 256))
    assert read.distance[0, 1] == pytest.approx(2_000 / 256)
    assert np.isnan(read.distance[0, 0])


def test_what_is_missing_or_broken_is_told(room, tmp_path):
    with pytest.raises(ValueError, match=r"there is no depth of .*room-depth\.png"):
        read_panorama(config(room))
    with pytest.raises(ValueError, match=r"nowhere' is neither a file nor a folder"):
        read_panorama(config(room, tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="--input is missing: give a panorama, or --prompt"):
        read_panorama(DepthFusionConfig(output="out"))
    with pytest.raises(ValueError, match="is not a file: give a panorama"):
        read_panorama(config(tmp_path / "none.png"))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "broken-depth.npy").write_bytes(npy(DISTANCE))
    with pytest.raises(ValueError, match="cannot be read as a picture: not_an_image"):
        read_panorama(config(tmp_path / "broken.png", kind="distance"))


def test_an_exr_without_depth_is_told(room):
    light = np.zeros((4, 8), np.float32)
    file = str(room.with_name("colours.exr"))
    header = {"type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, dict.fromkeys("RGB", light)) as made:
        made.write(file)
    with pytest.raises(ValueError, match="its channels are B, G, R, and none of them is known to be depth"):
        read_panorama(config(room, Path(file), kind="distance"))


def test_depth_beside_a_picture_is_no_picture_of_its_own():
    names = ["a/room.jpg", "a/room-depth.png", "a/room-both.png", "a/lake-depth.png", "b/room-depth.tif"]
    assert without_maps(names) == ["a/lake-depth.png", "a/room.jpg", "b/room-depth.tif"]


def test_what_is_said_goes_before_what_is_known():
    assert kind_of(DepthMeaningConfig(kind="inverse"), "x", is_drawn=True) == "inverse"
