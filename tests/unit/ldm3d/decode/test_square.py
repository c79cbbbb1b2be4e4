"""Whatever the web calls an image becomes an upright, opaque RGB square or a reject; nothing else ever happens."""

import io
import os
from contextlib import suppress
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode import SquareImage, make_square
from ldm3d.decode.centre_crop import centre_crop
from ldm3d.decode.header import read_header
from ldm3d.decode.square import decode
from ldm3d.duplicates.perceptual_hash import perceptual_hash
from ldm3d.images import decode_rgb
from ldm3d.reject import Reason, Rejected
from tests.builders.hashes import hamming
from tests.builders.png import declares

CONFIG = DownloadConfig(image_size=64)
ANY = SelectConfig()


def photo(width: int = 160, height: int = 120) -> Image.Image:
    """A smooth picture whose corners differ, so that no orientation looks like another."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [0.5 + 0.3 * np.sin(9 * x + 4 * y) + 0.2 * x, 0.2 + 0.6 * y, 0.9 - 0.5 * x * y]
    return Image.fromarray(np.uint8(255 * np.stack(waves, axis=-1).clip(0, 1)))


def two_tone() -> Image.Image:
    return photo().convert("1", dither=Image.Dither.NONE).resize((192, 128))


def textured(size: int) -> np.ndarray:
    """The spectrum of a photograph: noise at every scale, the larger the stronger."""
    rng = np.random.default_rng(5)
    picture = sum(cv2.resize(rng.normal(size=(n, n, 3)) / n, (size, size)) for n in (2, 4, 8, 32))
    return np.uint8(255 * (picture - picture.min()) / np.ptp(picture))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@cache
def img2datasets(size: int):
    """The Resizer as the img2dataset command uses it."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or albumentations asks the network for its newest version
    from img2dataset.resizer import Resizer

    return Resizer(size, "center_crop", False, encode_quality=95)


def rejection(content: bytes, config: DownloadConfig = CONFIG, select: SelectConfig = ANY) -> Rejected:
    with pytest.raises(Rejected) as raised:
        make_square(content, config, select)
    return raised.value


def decoded(content: bytes, config: DownloadConfig = CONFIG) -> np.ndarray:
    """The pixels that are resized, as RGB."""
    return decode(content, read_header(content), config)[..., ::-1]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 20 * np.log10(255 / max(np.sqrt(np.mean((a.astype(float) - b) ** 2)), 1e-9))


def oracle(image: Image.Image, size: int = 64) -> np.ndarray:
    """Resize and crop by another library."""
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BOX))


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(160, 120), (50, 40)], ids=["shrunk", "enlarged"])
def test_plain_images_are_byte_for_byte_img2datasets(kind, size):
    two_pictures = {"save_all": True, "append_images": [photo()]} if kind == "MPO" else {}
    content = encoded(photo(*size), kind, **two_pictures)
    theirs = img2datasets(64)(io.BytesIO(content))
    square = make_square(content, CONFIG, ANY)
    assert read_header(content).plain
    assert square.jpeg == theirs[0]
    assert (square.original_width, square.original_height) == size == theirs[3:5]


@settings(max_examples=150)
@given(st.sampled_from([16, 64, 256]), st.floats(0.3, 3), st.floats(1, 4), st.booleans(), st.integers(0, 9))
def test_every_size_is_cropped_as_albumentations_does(size, shrinks, aspect, is_tall, seed):
    shorter = round(size * shrinks)
    width, height = (shorter, round(shorter * aspect))[:: 1 if is_tall else -1]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    lossless = cv2.imencode(".png", pixels)[1].tobytes()
    ours = cv2.imencode(".jpg", centre_crop(pixels, size), params=[cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    assert ours == img2datasets(size)(io.BytesIO(lossless))[0]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_byte_for_byte_img2datasets_white(kind):
    image = photo()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    content = encoded(image, kind, lossless=True)
    assert make_square(content, CONFIG, ANY).jpeg == img2datasets(64)(io.BytesIO(content))[0]


PICTURES = {
    "JPEG grey": lambda: (encoded(photo().convert("L"), "JPEG"), photo().convert("L")),
    "JPEG CMYK": lambda: (encoded(photo().convert("CMYK"), "JPEG", quality=95), photo()),
    "TIFF CMYK": lambda: (encoded(photo().convert("CMYK"), "TIFF"), photo()),
    "TIFF": lambda: (encoded(photo(), "TIFF", compression="tiff_lzw"), photo()),
    "TIFF YCbCr": lambda: (encoded(photo().convert("YCbCr"), "TIFF"), photo()),
    "BMP": lambda: (encoded(photo(), "BMP"), photo()),
    "AVIF": lambda: (encoded(photo(), "AVIF", quality=95), photo()),
    "PNG grey": lambda: (encoded(photo().convert("L"), "PNG"), photo().convert("L")),
    "PNG black and white": lambda: (encoded(two_tone(), "PNG"), two_tone()),
    "PNG palette": lambda: (encoded(photo().quantize(64), "PNG"), photo().quantize(64)),
    "GIF": lambda: (encoded(photo().quantize(64), "GIF"), photo().quantize(64)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_image_becomes_the_rgb_square_it_shows(name):
    content, picture = PICTURES[name]()
    square = make_square(content, CONFIG, ANY)
    with Image.open(io.BytesIO(square.jpeg)) as jpeg:
        assert (jpeg.format, jpeg.mode, jpeg.size) == ("JPEG", "RGB", (64, 64))
    assert psnr(decode_rgb(square.jpeg), oracle(picture.convert("RGB"))) > 30


def test_an_adobe_cmyk_jpeg_is_not_a_negative():
    white = encoded(Image.new("CMYK", (64, 64), (0, 0, 0, 0)), "JPEG")
    assert b"Adobe" in white
    assert decode_rgb(make_square(white, CONFIG, ANY).jpeg).min() > 250


def test_transparency_of_every_kind_shows_white():
    image = photo().convert("L")
    hole = Image.new("L", image.size, 255)
    hole.paste(0, (0, 0, 80, 120))
    grey_alpha = image.copy()
    grey_alpha.putalpha(hole)
    palette = photo().quantize(32)
    palette.paste(31, (0, 0, 80, 120))
    keyed = photo()
    keyed.paste((1, 2, 3), (0, 0, 80, 120))
    for content in (
        encoded(grey_alpha, "PNG"),
        encoded(palette, "PNG", transparency=31),
        encoded(palette, "GIF", transparency=31),
        encoded(keyed, "PNG", transparency=(1, 2, 3)),
    ):
        pixels = decoded(content)
        assert pixels.shape == (120, 160, 3)
        assert (pixels[:, :80] == 255).all()
        assert (pixels[:, 80:] < 255).any()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    ramp = np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64)
    pixels = decoded(encoded(Image.fromarray(ramp), kind))
    np.testing.assert_array_equal(pixels, np.rint(np.repeat(ramp[..., None], 3, axis=-1) / 257).astype(np.uint8))


def test_16_bit_rgb_is_scaled_not_clipped():
    deep = np.asarray(photo()).astype(np.uint16) * 257
    content = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(decoded(content), np.asarray(photo()))


@pytest.mark.parametrize(("mode", "value"), [("F", 0.5), ("I", 70_000), ("I", -1)])
def test_pixels_of_unknown_meaning_are_rejected(mode, value):
    assert rejection(encoded(Image.new(mode, (64, 64), value), "TIFF")).reason == Reason.DECODE_FAILED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("decode", ["full", "scaled"])
def test_every_exif_orientation_is_upright(kind, orientation, decode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo(320, 240), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(io.BytesIO(content)) as image:
        upright = ImageOps.exif_transpose(image)
    square = make_square(content, DownloadConfig(image_size=64, decode=decode), ANY)
    assert (square.original_width, square.original_height) == upright.size
    assert psnr(decode_rgb(square.jpeg), oracle(upright)) > 35
    if decode == "full" and kind != "JPEG":
        np.testing.assert_array_equal(decoded(content), np.asarray(upright))


def test_an_orientation_that_does_not_exist_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 9
    assert read_header(encoded(photo(), "JPEG", exif=exif)).orientation == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_kept(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    pixels = decode_rgb(make_square(content, CONFIG, ANY).jpeg).reshape(-1, 3)
    assert np.abs(pixels - [255.0, 0, 0]).max() < 5


def test_a_declared_size_over_the_limit_is_rejected_before_a_pixel_is_decoded():
    assert rejection(declares(60_000, 60_000)).reason == Reason.TOO_MANY_PIXELS
    assert rejection(declares(100, 100)).reason == Reason.DECODE_FAILED  # what decoding says of a file without pixels


def test_the_configured_limit_replaces_pillows():
    assert read_header(declares(60_000, 60_000)).width == 60_000
    allowed = DownloadConfig(image_size=64, max_pixels=10**10)
    for side in (10_000, 60_000):  # OpenCV returns nothing for the one, and raises for the other
        assert rejection(declares(side, side), allowed).reason == Reason.DECODE_FAILED
    assert (
        rejection(encoded(photo(), "PNG"), DownloadConfig(max_pixels=160 * 120 - 1)).reason == Reason.TOO_MANY_PIXELS
    )
    make_square(encoded(photo(), "PNG"), DownloadConfig(image_size=64, max_pixels=160 * 120), ANY)


def test_small_and_narrow_images_are_rejected_by_their_upright_size():
    content = encoded(photo(160, 120), "JPEG")
    assert rejection(content, select=SelectConfig(min_size=121)).reason == Reason.TOO_SMALL
    make_square(content, CONFIG, SelectConfig(min_size=120))
    assert rejection(content, select=SelectConfig(max_aspect_ratio=1.33)).reason == Reason.BAD_ASPECT_RATIO
    make_square(content, CONFIG, SelectConfig(max_aspect_ratio=1.34))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_truncated_image_is_rejected(kind):
    content = encoded(photo(), kind)
    assert rejection(content[: len(content) * 2 // 3]).reason in (Reason.DECODE_FAILED, Reason.NOT_AN_IMAGE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        b"<!doctype html><title>404</title>",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n",
        b"%PDF-1.7\n",
        b"P6 1 1 255\n\x00\x00\x00",
    ],
    ids=["nothing", "magic only", "HTML", "SVG", "EPS", "PDF", "PPM"],
)
def test_what_is_no_image_of_the_list_is_rejected(content):
    rejected = rejection(content)
    assert rejected.reason == Reason.NOT_AN_IMAGE
    assert rejected.detail


@pytest.mark.parametrize(("size", "reduction"), [((640, 480), 4), ((1200, 1040), 8), ((256, 200), 2), ((240, 127), 1)])
def test_scaled_decoding_keeps_the_shorter_side_and_the_picture(size, reduction):
    content = encoded(photo(*size), "JPEG", quality=92)
    full = make_square(content, CONFIG, ANY)
    scaled = make_square(content, DownloadConfig(image_size=64, decode="scaled"), ANY)
    small = decoded(content, DownloadConfig(image_size=64, decode="scaled"))
    assert small.shape[1::-1] == tuple(-(-side // reduction) for side in size)
    if reduction == 1:
        assert scaled == full
    assert (scaled.original_width, scaled.original_height) == size
    assert psnr(decode_rgb(full.jpeg), decode_rgb(scaled.jpeg)) > 40


def test_red_stays_red():
    square = make_square(encoded(Image.new("RGB", (64, 64), "red"), "PNG"), CONFIG, ANY)
    assert np.abs(decode_rgb(square.jpeg) - np.array([255.0, 0, 0])).max() < 5


def test_the_perceptual_hash_is_that_of_the_kept_image():
    content = encoded(Image.fromarray(textured(512)), "PNG")
    for size in (32, 64, 512):
        square = make_square(content, DownloadConfig(image_size=size), ANY)
        assert hamming(square.perceptual_hash, perceptual_hash(decode_rgb(square.jpeg))) <= 2


pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),  # what Pillow thinks of damaged files
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated"),  # img2dataset imports it
]

_SEEDS = [encoded(photo(40, 30), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")]
_SEEDS += [encoded(photo(40, 30).quantize(8), "PNG", transparency=1), encoded(photo(40, 30).convert("CMYK"), "JPEG")]


def ends_in_square_or_reject(content: bytes) -> None:
    for how in ("full", "scaled"):
        with suppress(Rejected):
            square = make_square(content, DownloadConfig(image_size=16, max_pixels=10**6, decode=how), ANY)
            assert isinstance(square, SquareImage)
            assert decode_rgb(square.jpeg).shape == (16, 16, 3)


@settings(max_examples=100)
@given(st.sampled_from([b"", *(seed[:12] for seed in _SEEDS)]), st.binary(max_size=300))
def test_any_bytes_end_in_a_square_or_a_reject(magic, rest):
    ends_in_square_or_reject(magic + rest)


@settings(max_examples=300)
@given(
    st.sampled_from(_SEEDS),
    st.lists(st.tuples(st.integers(0, 2_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    st.integers(0, 20),
)
def test_any_damage_ends_in_a_square_or_a_reject(content, damages, cut):
    damaged = bytearray(content)
    for place, replacement in damages:
        place %= len(damaged)
        damaged[place : place + len(replacement)] = replacement
    ends_in_square_or_reject(bytes(damaged[: len(damaged) - cut]))
