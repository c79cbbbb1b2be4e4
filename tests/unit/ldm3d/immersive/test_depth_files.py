"""Distances come back in metres, by our reader and by those of others."""

import io

import cv2
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from ldm3d.immersive import depth_files
from ldm3d.immersive.srgb import light_of
from ldm3d.toy import room

PICTURE, DISTANCE = room.panorama(16)


@pytest.fixture
def holed():
    distance = DISTANCE.copy()
    distance[3, 4] = np.nan
    return distance


def test_exr_has_colour_and_metres_for_openexrs_own_reader(tmp_path):
    depth_files.exr(PICTURE, DISTANCE, tmp_path / "room.exr", {"model": "a model"})
    with OpenEXR.File(str(tmp_path / "room.exr"), separate_channels=True) as opened:
        channels, header = opened.channels(), opened.header()
        np.testing.assert_array_equal(channels["Z"].pixels, DISTANCE.astype(np.float32))
        light = light_of(PICTURE)
        np.testing.assert_allclose(channels["G"].pixels, light[..., 1], atol=1e-3)
        assert header["depthMeaning"] == "metres along the ray"
        assert header["model"] == "a model"


@pytest.mark.parametrize("suffix", [".exr", ".npy", ".pfm"])
def test_distances_come_back(suffix, tmp_path, holed):
    file = tmp_path / f"room{suffix}"
    if suffix == ".exr":
        depth_files.exr(PICTURE, holed, file)
    else:
        file.write_bytes({".npy": depth_files.npy, ".pfm": depth_files.pfm}[suffix](holed))
    np.testing.assert_array_equal(depth_files.read_numbers(file), holed.astype(np.float32))


def test_opencv_reads_the_same_pfm(tmp_path):
    (tmp_path / "room.pfm").write_bytes(depth_files.pfm(DISTANCE))
    found = cv2.imread(str(tmp_path / "room.pfm"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, DISTANCE.astype(np.float32))


def test_the_scale_of_a_pfm_is_not_applied(tmp_path):
    content = depth_files.pfm(DISTANCE).replace(b"-1.0", b"-0.003922", 1)
    (tmp_path / "room.pfm").write_bytes(content)
    np.testing.assert_array_equal(depth_files.read_numbers(tmp_path / "room.pfm"), DISTANCE.astype(np.float32))


def test_kittis_png_is_256_levels_a_metre_and_0_where_unknown(tmp_path, holed):
    holed[5, 5], holed[6, 6] = 1_000.0, 0.5
    content = depth_files.kitti_png(holed)
    levels = np.asarray(Image.open(io.BytesIO(content)))
    assert (levels[3, 4], levels[5, 5], levels[6, 6]) == (0, 65_535, 128)
    known = np.isfinite(holed) & (holed < 255)
    np.testing.assert_allclose(levels[known] / 256, holed[known], atol=1 / 512)
    (tmp_path / "room.png").write_bytes(content)
    np.testing.assert_array_equal(depth_files.read_numbers(tmp_path / "room.png"), levels)


def test_an_exr_of_a_renderer_is_read_by_the_name_of_its_channel(tmp_path):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    values = DISTANCE.astype(np.float32)
    channels = {"R": values * 0, "G": values * 0, "B": values * 0, "depth.Z": values}
    with OpenEXR.File(header, channels) as made:
        made.write(str(tmp_path / "render.exr"))
    np.testing.assert_array_equal(depth_files.read_numbers(tmp_path / "render.exr"), values)
    del channels["depth.Z"]
    with OpenEXR.File(header, channels) as made:
        made.write(str(tmp_path / "colour.exr"))
    with pytest.raises(ValueError, match="none of them is known to be depth"):
        depth_files.read_numbers(tmp_path / "colour.exr")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.png", b"no picture", "cannot be read"),
        ("a.exr", b"no picture", "cannot be read"),
        ("a.npy", b"no picture", "cannot be read"),
        ("a.pfm", b"PF\n4 4\n-1.0\n" + bytes(192), "wanted Pf"),
        ("a.pfm", b"Pf\n400 400\n-1.0\n" + bytes(16), "declares 400 x 400 pixels and holds 4"),
        ("a.npy", depth_files.npy(np.zeros((2, 2, 3))), "wanted a map of one number a pixel"),
        ("a.png", cv2.imencode(".png", PICTURE)[1].tobytes(), "wanted a map of one number a pixel"),
    ],
)
def test_what_is_no_map_is_named(name, content, complaint, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=complaint) as raised:
        depth_files.read_numbers(tmp_path / name)
    assert name in str(raised.value)
