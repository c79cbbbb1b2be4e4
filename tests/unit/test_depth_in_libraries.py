"""What docs/corpus.md says about depth in other libraries ("Using depth safely"), by the installed versions of them.

When depth is no longer destroyed, the library has mended the call: take its line out of the docs and of ldm3d/card.py.
"""

import io

import cv2
import datasets
import imageio.v3 as imageio
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.transforms import functional as v1
from torchvision.transforms import v2

from ldm3d.images import decode_depth, encode_depth, encode_rgb
from ldm3d.schema import conform

BILINEAR = v2.InterpolationMode.BILINEAR
EVERY = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
PNG = encode_depth(EVERY, "png")
RAMP = (np.linspace(1_000, 65_000, 64) + np.linspace(0, 500, 48)[:, None]).astype(np.uint16)  # fit to be resampled


def picture(depth: np.ndarray = EVERY) -> Image.Image:
    return Image.open(io.BytesIO(encode_depth(depth, "png")))


def saved_by_pillow(kind: str) -> np.ndarray:
    stream = io.BytesIO()
    picture().save(stream, kind)
    return np.asarray(Image.open(stream))


def saved_by_opencv(suffix: str) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(suffix, EVERY)[1], cv2.IMREAD_UNCHANGED)


def read_by_opencv(flag: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(PNG, np.uint8), flag)


KEEPS = {
    "Pillow: asarray": lambda: np.asarray(picture()),
    "Pillow: convert I": lambda: np.asarray(picture().convert("I")),
    "Pillow: convert F": lambda: np.asarray(picture().convert("F")),
    "Pillow: crop": lambda: np.asarray(picture().crop((0, 0, 256, 256))),
    "Pillow: transpose": lambda: np.asarray(picture().transpose(Image.Transpose.TRANSPOSE)).T,
    "Pillow: save PNG": lambda: saved_by_pillow("PNG"),
    "Pillow: save TIFF": lambda: saved_by_pillow("TIFF"),
    "torchvision: pil_to_tensor": lambda: v2.functional.pil_to_tensor(picture())[0].to(torch.int32),
    "torchvision: ToImage, ToDtype": lambda: (
        v2.ToDtype(torch.float32, scale=True)(v2.ToImage()(picture()))[0].numpy() * np.float32(65_535)
    ),
    "OpenCV: IMREAD_UNCHANGED": lambda: read_by_opencv(cv2.IMREAD_UNCHANGED),
    "OpenCV: imwrite PNG": lambda: saved_by_opencv(".png"),
    "OpenCV: imwrite TIFF": lambda: saved_by_opencv(".tiff"),
    "imageio: imread": lambda: imageio.imread(PNG),
    "imageio: imwrite PNG": lambda: imageio.imread(imageio.imwrite("<bytes>", EVERY, extension=".png")),
    "matplotlib: imread": lambda: plt.imread(io.BytesIO(PNG), format="png") * np.float32(65_535),
}

CLIPPED = np.minimum(EVERY, 255)
DESTROYS = {
    "Pillow: convert L": (CLIPPED, lambda: np.asarray(picture().convert("L"))),
    "Pillow: convert RGB": (CLIPPED, lambda: np.asarray(picture().convert("RGB"))[..., 0]),
    "Pillow: convert RGBA": (CLIPPED, lambda: np.asarray(picture().convert("RGBA"))[..., 0]),
    "imageio: mode L": (CLIPPED, lambda: imageio.imread(PNG, mode="L")),
    "OpenCV: imwrite BMP": (CLIPPED, lambda: saved_by_opencv(".bmp")),
    "OpenCV: imread": (EVERY >> 8, lambda: read_by_opencv(cv2.IMREAD_COLOR)[..., 0]),
    "OpenCV: IMREAD_GRAYSCALE": (EVERY >> 8, lambda: read_by_opencv(cv2.IMREAD_GRAYSCALE)),
    "torchvision: to_tensor": (EVERY.astype(np.int16), lambda: v1.to_tensor(picture())[0].numpy()),
}


@pytest.mark.parametrize("call", KEEPS)
def test_depth_is_kept(call):
    np.testing.assert_array_equal(np.rint(np.asarray(KEEPS[call]())), EVERY)


@pytest.mark.parametrize("call", DESTROYS)
def test_depth_is_destroyed(call):
    expected, function = DESTROYS[call]
    np.testing.assert_array_equal(function(), expected)


@pytest.mark.parametrize(
    "save",
    [
        lambda: saved_by_pillow("WEBP"),
        lambda: saved_by_pillow("AVIF"),
        lambda: saved_by_opencv(".jpg"),
        lambda: saved_by_opencv(".webp"),
        lambda: imageio.imread(imageio.imwrite("<bytes>", EVERY, extension=".webp")),
    ],
    ids=["Pillow: WebP", "Pillow: AVIF", "OpenCV: JPEG", "OpenCV: WebP", "imageio: WebP"],
)
def test_a_lossy_file_is_white_above_255(save):
    written = save()
    assert written.dtype == np.uint8
    assert (written[8:] > 250).all()  # from 2,048 on, out of reach of the 255 levels that are left


@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_pillow_refuses_what_holds_no_16_bits(kind):
    with pytest.raises(OSError, match="cannot write mode I;16"):
        saved_by_pillow(kind)


@pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
def test_pillow_resizes_depth(method):
    exact = np.asarray(Image.fromarray(RAMP.astype(np.float32)).resize((32, 24), method))
    assert np.abs(np.asarray(picture(RAMP).resize((32, 24), method)) - exact).max() <= 1


@pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_pillow_rotates_depth_to_nothing_above_255_but_not_floats(method):
    middle = (slice(16, 32), slice(24, 40))
    exact = np.asarray(picture(RAMP).convert("F").rotate(10, method))[middle]
    assert np.abs(exact - RAMP[middle]).max() < 5_000
    assert np.asarray(picture(RAMP).rotate(10, method)).max() <= 255
    assert np.asarray(v2.functional.rotate(picture(RAMP), 10, interpolation=BILINEAR)).max() <= 255


def test_torchvision_resamples_uint16_tensors():
    tensor = torch.from_numpy(RAMP)[None]
    for transform in (
        lambda image: v2.functional.resize(image, [24, 32]),
        lambda image: v2.functional.rotate(image, 10.0, interpolation=BILINEAR),
    ):
        assert (transform(tensor).float() - transform(tensor.float())).abs().max() <= 1


def test_torch_does_no_arithmetic_on_uint16():
    with pytest.raises(NotImplementedError, match="not implemented for 'UInt16'"):
        torch.from_numpy(EVERY) + 1


def test_torchvision_scales_the_nearest_depth_to_zero():
    assert v2.ToDtype(torch.uint16, scale=True)(torch.tensor([0.5, 1.0])).tolist() == [32_768, 0]


def test_jpeg_xl_needs_our_reader():
    encoded = encode_depth(EVERY, "jxl")
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(encoded))
    assert cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED) is None
    np.testing.assert_array_equal(decode_depth(encoded), EVERY)


def transfer_function(jxl: bytes) -> int:
    """The transfer function (ITU-T H.273) that a square, grey, 16-bit JPEG XL declares, from the bits of its header
    (ISO/IEC 18181-1: SizeHeader, ImageMetadata, ColourEncoding)."""
    start = jxl.index(b"jxlc") + 4
    assert jxl[start : start + 2] == b"\xff\x0a"
    left = int.from_bytes(jxl[start + 2 : start + 40], "little")

    def take(*widths: int) -> list[int]:
        nonlocal left
        values = []
        for width in widths:
            values.append(left & (2**width - 1))
            left >>= width
        return values

    def take_enum() -> int:
        (kind,) = take(2)
        return kind if kind < 2 else 2 + take(4)[0] if kind == 2 else 18 + take(6)[0]

    assert take(1, 5, 3) == [1, 31, 1]  # small; 256 / 8 - 1; square
    assert take(1, 1, 1, 2, 6) == [0, 0, 0, 3, 15]  # not default, no extras, integers of 15 + 1 bits
    assert take(1, 2, 1) == [0, 0, 0]  # wide buffers, no further channels, no XYB
    assert take(1, 1) == [0, 0]  # a colour encoding that is not the default, and not an ICC profile
    assert (take_enum(), take_enum()) == (1, 1)  # grey, D65
    assert take(1) == [0]  # no gamma, but:
    return take_enum()


def test_16_bit_jpeg_xl_says_that_it_is_linear():
    """So browsers draw it brighter than the same numbers in PNG, which count as sRGB (13)."""
    assert transfer_function(encode_depth(EVERY, "jxl")) == 8


@pytest.fixture
def corpus(tmp_path):
    """A row of `rgbd/v1`, opened by `datasets`."""
    image = {"bytes": encode_rgb(np.zeros((256, 256, 3), np.uint8)), "path": ""}
    numbers = {"key": 1, "depth_min": 0.0, "depth_max": 1.0, "original_width": 256, "original_height": 256}
    texts = {"url": "https://example.invalid", "caption": "a ramp", "sha256": "0" * 64, "split": "train"}
    unknown = {"perceptual_hash": 1, "similarity": None, "nsfw": None}
    row = numbers | texts | unknown | {"image": image, "depth": {"bytes": PNG, "path": ""}}
    pq.write_table(conform(pa.Table.from_pylist([row]), "rgbd/v1"), tmp_path / "0.parquet")
    files = str(tmp_path / "0.parquet")
    return datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))


def stored(rows: datasets.Dataset) -> bytes:
    return rows.data["depth"][0].as_py()["bytes"]


def test_datasets_opens_depth(corpus):
    np.testing.assert_array_equal(np.asarray(corpus[0]["depth"]), EVERY)
    in_torch = corpus.with_format("torch")[0]["depth"]
    assert in_torch.dtype == torch.uint16
    np.testing.assert_array_equal(in_torch[0], EVERY)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_datasets_casts_depth_to_white(corpus, mode):
    cast = corpus.cast_column("depth", datasets.Image(mode=mode))
    np.testing.assert_array_equal(np.asarray(cast[0]["depth"]).reshape(256, 256, -1)[..., 0], CLIPPED)


def test_datasets_map_keeps_what_it_does_not_change(corpus):
    for mapped in (corpus.map(lambda row: {"words": len(row["caption"])}), corpus.map(lambda row: row)):
        assert stored(mapped) == PNG


@pytest.mark.parametrize(
    "changed",
    [
        lambda depth: depth.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda depth: Image.fromarray(np.asarray(depth)[:, ::-1].copy()),
        lambda depth: {"bytes": encode_depth(np.asarray(depth)[:, ::-1], "png"), "path": None},
    ],
    ids=["transposed", "fromarray", "encode_depth"],
)
def test_our_reader_takes_depth_that_datasets_map_changed(corpus, changed):
    mapped = corpus.map(lambda row: {"depth": changed(row["depth"])})
    np.testing.assert_array_equal(decode_depth(stored(mapped)), EVERY[:, ::-1])
    np.testing.assert_array_equal(np.asarray(mapped[0]["depth"]), EVERY[:, ::-1])


def test_our_reader_refuses_the_wider_depth_of_an_array_that_datasets_map_returned(corpus):
    mapped = corpus.map(lambda row: {"depth": np.asarray(row["depth"])})
    with pytest.raises(ValueError, match=r"int32 .*encode_depth"):
        decode_depth(stored(mapped))
