"""Fetched files to square JPEGs, by img2dataset's Resizer.

The Resizer gets the fetched bytes themselves wherever it reads them correctly, so that the square is byte for byte
what the img2dataset command writes. Otherwise (see `ImageHeader.plain`) it gets upright pixels as a bitmap.

A file may still crash or hang a native decoder, which is why `ldm3d.decode.isolated` exists.
"""

import io
import struct
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode.header import ImageHeader, check_header, read_header
from ldm3d.decode.pixels import decode_upright, is_scalable
from ldm3d.duplicates.perceptual_hash import perceptual_hash
from ldm3d.reject import Reason, Rejected

_HASH_SIDE = 64  # pixels of the square's thumbnail, of which a perceptual hash sees 32
_PACKED = struct.Struct("!iiq")  # width, height, perceptual hash; the JPEG follows
_BITMAP = struct.Struct("<2sI4xIIiiHH24x")  # BITMAPFILEHEADER and BITMAPINFOHEADER; zero fields are padding


@dataclass(frozen=True)
class SquareImage:
    """A fetched image as the corpus keeps it."""

    jpeg: bytes
    """S x S RGB, JPEG."""
    original_width: int
    """Pixels of the fetched image, after EXIF orientation."""
    original_height: int
    perceptual_hash: int
    """Hash of the square before it was encoded (`ldm3d.duplicates.perceptual_hash`)."""

    def pack(self) -> bytes:
        """Return all of it as bytes, to be sent to another process."""
        return _PACKED.pack(self.original_width, self.original_height, self.perceptual_hash) + self.jpeg

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Invert `pack`. Raises ValueError if `packed` is too short to come from it."""
        if len(packed) < _PACKED.size:
            raise ValueError(f"a square of {len(packed)} bytes, at least {_PACKED.size} wanted")
        return cls(packed[_PACKED.size :], *_PACKED.unpack_from(packed))


def make_square(content: bytes, config: DownloadConfig, select: SelectConfig) -> SquareImage:
    """Make an S x S JPEG of a fetched file: resize the shorter side to S, then cut out the centre.

    One call at a time in a process: the Resizer redirects the process's stdout and stderr while it works.

    Raises:
        Rejected: not an image, outside the limits of `config` and `select`, or not decodable.
    """
    header = read_header(content)
    check_header(header, config, select)
    prepared = prepare(content, header, config.decode, config.image_size)
    resize = _resizer(config.image_size, config.encode_quality)
    jpeg, _, _, _, _, error = resize(io.BytesIO(prepared), blurring_bbox_list=())
    if error is not None:
        raise Rejected(Reason.DECODE_FAILED, error)
    thumbnail = resize.blurrer.thumbnail
    return SquareImage(jpeg, header.width, header.height, perceptual_hash(thumbnail))


def prepare(content: bytes, header: ImageHeader, decode: Literal["full", "scaled"], size: int) -> bytes:
    """Return what the Resizer gets: `content` itself if it is plain, otherwise its upright RGB pixels as a bitmap.

    Args:
        content: the fetched file.
        header: its `read_header`.
        decode: `scaled` decodes a JPEG at 1/2, 1/4 or 1/8, the smallest that leaves the shorter side `size` pixels.
        size: side of the square to be made.

    Raises:
        Rejected: the pixels cannot be decoded.
    """
    scales = decode == "scaled" and is_scalable(header)
    reduction = _reduction(min(header.width, header.height), size) if scales else 1
    if header.plain and reduction == 1:
        return content
    try:
        return _bitmap(decode_upright(content, header, reduction))
    except Exception as error:  # as `decode_upright` says
        raise Rejected(Reason.DECODE_FAILED, f"{type(error).__name__}: {error}") from error


def _reduction(shorter: int, size: int) -> int:
    """Return the largest of 8, 4, 2 and 1 by which `shorter` can be divided without falling below `size`."""
    return next((k for k in (8, 4, 2) if shorter // k >= size), 1)


def _bitmap(bgr: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) uint8 BGR as a BMP, the lossless file that OpenCV reads fastest: its own layout behind a
    header."""
    height, width, _ = bgr.shape
    stride = -(-3 * width // 4) * 4  # rows begin at multiples of four bytes
    rows = bgr.reshape(height, 3 * width)
    if stride != 3 * width:
        rows = np.pad(rows, ((0, 0), (0, stride - 3 * width)))
    # A negative height: the first row is the upper one.
    header = _BITMAP.pack(b"BM", _BITMAP.size + rows.size, _BITMAP.size, 40, width, -height, 1, 24)
    return header + rows.tobytes()


class _Spectator:
    """Takes the place of the Resizer's face blurring, after resizing and before cropping, and changes nothing."""

    thumbnail: NDArray[np.uint8]
    """(h, h, 3) uint8 RGB, the last picture's square; h is `_HASH_SIDE`, or the square's side if smaller."""

    def __call__(self, img: NDArray[np.uint8], bbox_list: Any) -> NDArray[np.uint8]:
        import cv2

        height, width, _ = img.shape
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        shown = min(side, _HASH_SIDE)
        square = img[top : top + side, left : left + side]
        small = cv2.resize(square, (shown, shown), interpolation=cv2.INTER_AREA)
        self.thumbnail = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
        return img


@cache
def _resizer(image_size: int, encode_quality: int) -> Any:
    """Return img2dataset's Resizer, loaded from its own file.

    Importing it as part of its package would import the whole package, and with it webdataset, wandb and torch: 4 s
    and 600 MB more for every decoding process. In this copy of the module, transforms are made once, not for every
    image, which would take longer than the crop.
    """
    import importlib.util
    import os
    import warnings
    from pathlib import Path

    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or albumentations asks the network for a newer version
    package = importlib.util.find_spec("img2dataset")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("img2dataset is not installed: pip install img2dataset==1.47.0")
    path = Path(package.submodule_search_locations[0]) / "resizer.py"
    spec = importlib.util.spec_from_file_location("ldm3d_img2dataset_resizer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # it imports imghdr
        spec.loader.exec_module(module)
    made_once = {name: cache(getattr(module.A, name)) for name in ("SmallestMaxSize", "CenterCrop")}
    module.__dict__["A"] = SimpleNamespace(**made_once)
    return module.Resizer(
        image_size=image_size,
        resize_mode="center_crop",
        resize_only_if_bigger=False,
        encode_quality=encode_quality,
        encode_format="jpg",
        blurrer=_Spectator(),
    )
