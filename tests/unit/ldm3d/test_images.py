"""The codecs of the corpus columns: depth loses nothing, and what is not depth is refused."""

import io
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from ldm3d.images import decode_depth, decode_rgb, encode_depth
from tests import ROOT
from tests.builders.png import declares


@pytest.mark.parametrize("codec", ["png", "jxl"])
def test_depth_codecs_lose_nothing(codec):
    every = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    noise = np.random.default_rng(0).integers(0, 65_536, (33, 65), dtype=np.uint16)
    for depth in (every, noise, np.zeros((1, 1), np.uint16), noise[::2, ::3]):
        back = decode_depth(encode_depth(depth, codec))
        assert back.dtype == np.uint16
        np.testing.assert_array_equal(back, depth)


def test_encoding_jpeg_xl_leaves_the_heap_whole():
    code = """if True:
        import numpy as np
        from ldm3d.images import decode_depth, encode_depth
        random = np.random.default_rng(0)
        for side in (128, 200, 256):
            noise = random.integers(0, 65_536, (side, side), dtype=np.uint16)
            assert (decode_depth(encode_depth(noise, "jxl")) == noise).all()
    """
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"MALLOC_CHECK_": "3"}, cwd=ROOT, check=True)


def test_png_depth_opens_as_16_bit_grey_elsewhere():
    depth = np.array([[0, 0x1234, 65_535]], np.uint16)
    with Image.open(io.BytesIO(encode_depth(depth, "png"))) as image:
        np.testing.assert_array_equal(np.asarray(image), depth)


def tiff(depth: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(depth).save(stream, "TIFF")
    return stream.getvalue()


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bit_tiff_depth_is_read_as_it_is(order):
    every = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    back = decode_depth(tiff(every.astype(order)))
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, every)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32])
def test_tiff_depth_of_another_type_is_refused_with_the_remedy(kind):
    with pytest.raises(ValueError, match=rf"got \(4, 4\) {np.dtype(kind)} .*encode_depth"):
        decode_depth(tiff(np.zeros((4, 4), kind)))


@pytest.mark.parametrize("depth", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint16), np.zeros((4, 4))])
@pytest.mark.parametrize("codec", ["png", "jxl"])
def test_depth_that_is_not_16_bit_grey_is_refused(depth, codec):
    with pytest.raises(TypeError, match=r"must be \(H, W\) uint16, got"):
        encode_depth(depth, codec)


def test_what_is_not_encoded_depth_is_refused():
    depth = np.random.default_rng(0).integers(0, 65_536, (32, 32), dtype=np.uint16)
    shallow = cv2.imencode(".png", np.zeros((32, 32), np.uint8))[1].tobytes()
    cut = [encoded[:500] for encoded in (encode_depth(depth, "png"), encode_depth(depth, "jxl"), tiff(depth))]
    for content in (b"", b"GIF89a", shallow, *cut):
        with pytest.raises(ValueError, match="depth"):
            decode_depth(content)


@pytest.mark.parametrize("side", [1_000, 50_000])  # OpenCV returns nothing for the one, and raises for the other
def test_a_png_without_the_pixels_that_it_declares_is_refused(side):
    content = declares(side, side)
    with pytest.raises(ValueError, match="depth: image does not decode"):
        decode_depth(content)
    with pytest.raises(ValueError, match="image does not decode"):
        decode_rgb(content)
    with pytest.raises(ValueError, match="image does not decode"):
        decode_rgb(b"")


@pytest.mark.parametrize("size", [b"\x06\x00\xff\xff", b"\xfe\xff\xff\xff\xff\xff\xff\xff"])
def test_jpeg_xl_that_is_no_picture_is_refused_whatever_its_library_raises(size):
    with pytest.raises(ValueError, match="depth"):
        decode_depth(b"\xff\x0a" + size + b"\x01" * 64)


def test_rgb_that_does_not_decode_is_refused():
    with pytest.raises(ValueError, match="does not decode"):
        decode_rgb(b"not a JPEG")
