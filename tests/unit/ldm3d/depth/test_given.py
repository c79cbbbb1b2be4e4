"""Depth that is given by the user: files of every kind, their meaning, and the picture's own resizing and cropping."""

import io

import cv2
import numpy as np
import pytest

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode import make_square
from ldm3d.depth.given import label_of
from ldm3d.images import decode_rgb
from ldm3d.reject import Reason, Rejected
from ldm3d.rgbd import DEPTH_MAX

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1_000 + 500


def npy(values: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, values)
    return sink.getvalue()


def image(values: np.ndarray, suffix: str) -> bytes:
    return cv2.imencode(suffix, values)[1].tobytes()


def declared(header: str, version: int = 1, values: bytes = RAMP.tobytes()) -> bytes:
    """A .npy file with a header as given, right or wrong."""
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + values


def label(content: bytes, meaning: str = "inverse_depth", scale: float = 1.0, size=(8, 8), side: int = 8):
    return label_of(content, meaning, scale, size, side)


@pytest.mark.parametrize(
    "content",
    [
        npy(RAMP),
        npy(RAMP.astype(np.float64)),
        npy(np.asfortranarray(RAMP.astype(">f4"))),
        npy(RAMP.astype(np.float16)),
        image(RAMP, ".png"),
        image(RAMP, ".tiff"),
        image(RAMP.astype(np.float32), ".tiff"),
    ],
    ids=["npy u16", "npy f64", "npy big-endian f32", "npy f16", "png", "tiff u16", "tiff f32"],
)
def test_every_kind_of_file_gives_the_same_label(content):
    labels = label(content)
    assert (labels.depth.shape, labels.depth.dtype) == ((1, 8, 8), np.uint16)
    expected = (RAMP - 500.0) / 63_000 * DEPTH_MAX
    np.testing.assert_allclose(labels.depth[0], expected, atol=32)  # half a unit of float16 is 16, of 63,000
    np.testing.assert_allclose([labels.raw_min[0], labels.raw_max[0]], [500, 63_500], atol=16)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_npy_is_read(version):
    content = declared("{'descr': '<u2', 'fortran_order': False, 'shape': (8, 8)}", version)
    np.testing.assert_array_equal(label(content).depth, label(npy(RAMP)).depth)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<u2', 'fortran_order': False, 'shape': (8, 8), ",  # cut off
        "{'descr': '<u2', 'fortran_order': False, 'shape': (8, 8, }",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (8, 9)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (10000000, 10000000)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (-8, -8)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (-1, 8)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (8.0, 8)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': 64}",
        "{'descr': 'O', 'fortran_order': False, 'shape': (8, 8)}",
        "{'descr': {'a': 1}, 'fortran_order': False, 'shape': (8, 8)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': " + "(" * 500 + "}",
        "[]",
        "{}",
        "\0",
        "",
    ],
)
def test_a_header_of_npy_that_is_damaged_is_a_reject(header):
    for version in (1, 2, 3, 4):
        with pytest.raises(Rejected, match="does not decode") as rejected:
            label(declared(header, version))
        assert rejected.value.reason is Reason.DEPTH_FAILED


def test_metres_are_inverted_once_they_are_scaled():
    millimetres = np.full((8, 8), 4_000, np.uint16)
    millimetres[0, 0], millimetres[0, 1], millimetres[0, 2] = 500, 0, 65_535
    labels = label(image(millimetres, ".png"), "depth", 0.001)
    np.testing.assert_allclose([labels.raw_min[0], labels.raw_max[0]], [1e-3, 2.0], rtol=1e-6)  # 0 counts as 1,000 m
    raw = labels.raw_min[0] + labels.depth[0] / DEPTH_MAX * (labels.raw_max[0] - labels.raw_min[0])
    np.testing.assert_allclose(raw[0, :4], [2, 1e-3, 1 / 65.535, 0.25], atol=2e-5)


def test_what_is_infinitely_far_in_metres_is_as_far_as_can_be():
    metres = np.full((8, 8), 2.0, np.float32)
    metres[:4] = np.inf
    np.testing.assert_array_equal(label(npy(metres), "depth").depth[0, 3:5, 0], [0, DEPTH_MAX])


@pytest.mark.parametrize("picture", [(64, 64), (97, 61), (61, 97), (640, 480), (333, 500), (20, 31)], ids=str)
def test_depth_lies_where_the_picture_does(picture):
    """The oracle is the picture's own path, through img2dataset: brightness is made equal to depth."""
    width, height = picture
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    bright = 127 + 60 * np.sin(columns / width * 9) + 60 * np.cos(rows / height * 7)
    config = DownloadConfig(image_size=32, encode_quality=100)
    grey = np.repeat(np.round(bright).astype(np.uint8)[..., None], 3, axis=-1)
    square = make_square(image(grey, ".png"), config, SelectConfig())
    seen = decode_rgb(square.jpeg).mean(-1)
    for factor in (1, 2):  # depth of the picture's size, and of twice that
        depth = cv2.resize(bright, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        labels = label(npy(depth), size=picture, side=32)
        raw = labels.raw_min[0] + labels.depth[0] / DEPTH_MAX * (labels.raw_max[0] - labels.raw_min[0])
        assert np.abs(raw - seen).max() < 6  # linear against Lanczos; a shift by half a pixel makes 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not decode"),
        (image(RAMP, ".png")[:30], "does not decode"),
        (npy(RAMP)[:60], "does not decode"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "does not decode"),
        (npy(np.array([{"a": 1}])), "does not decode"),  # a pickle, which is not opened
        (npy(RAMP.astype("c8")), "complex64, wanted"),
        (npy(RAMP[None]), r"\(1, 8, 8\) uint16, wanted \(height, width\)"),
        (image(np.zeros((8, 8, 3), np.uint8), ".png"), r"\(8, 8, 3\) uint8, wanted"),
        (npy(RAMP[:, :6]), "depth is 6 x 8, the picture 8 x 8, wanted the same shape"),
        (npy(np.where(RAMP > 500, RAMP, np.nan)), "not finite"),
        (npy(np.where(RAMP > 500, RAMP, np.inf)), "not finite"),
    ],
)
def test_what_is_no_depth_of_the_picture_is_a_reject(content, message):
    with pytest.raises(Rejected, match=message) as rejected:
        label(content)
    assert rejected.value.reason is Reason.DEPTH_FAILED


def test_depth_that_is_not_known_is_a_reject_in_metres_too():
    with pytest.raises(Rejected, match="not finite"):
        label(npy(np.where(RAMP > 500, RAMP, np.nan)), "depth")


def test_what_is_cut_off_may_be_unknown():
    wide = np.pad(RAMP.astype(np.float32), ((0, 0), (4, 4)), constant_values=np.nan)
    np.testing.assert_array_equal(label(npy(wide), size=(16, 8)).depth, label(npy(RAMP)).depth)
