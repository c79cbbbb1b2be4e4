"""What a page carries: distances in few bytes, and pictures as data URIs."""

import base64
import io
import zlib

import numpy as np
from numpy.typing import NDArray

STEPS = 65_534  # between far and near: 0 is no surface, so far is 1 and near 65,535


def pack_distances(distance: NDArray[np.floating], near: float, far: float) -> str:
    """Return distances as text, without loss beyond 16 bits of inverse distance.

    Rows hold the differences of neighbours, modulo 65,536, which deflate better, and the low bytes of all come before
    the high ones. Then deflate (zlib) and base64.

    Args:
        distance: (H, W), metres from `near` to `far`; NaN where there is no surface.
        near, far: 0 < near <= far.
    """
    scale = STEPS / (1 / near - 1 / far) if far > near else 0.0
    shares = np.clip((1 / distance.astype(np.float64) - 1 / far) * scale, 0, STEPS)
    codes = np.where(np.isnan(shares), 0, np.round(np.nan_to_num(shares)) + 1).astype(np.uint16)
    differences = np.diff(codes, axis=1, prepend=np.uint16(0))
    planes = np.concatenate([(differences & 255).ravel(), (differences >> 8).ravel()]).astype(np.uint8)
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()


def picture_uri(picture: NDArray[np.uint8], quality: int) -> str:
    """Return a picture, (H, W, 3) uint8 sRGB, as the data URI of a JPEG.

    Colours have all pixels: with half of them, those of near things bleed over their edges, onto what is far behind.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, optimize=True, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def only_around(picture: NDArray[np.uint8], is_used: NDArray[np.bool_], block: int = 16) -> NDArray[np.uint8]:
    """Return a picture that is grey where nothing of it is used, in the block or in one beside it: that costs nothing.

    Args:
        picture: (H, W, 3).
        is_used: (H, W).
        block: pixels on each side; those of JPEGs have 8 or 16.
    """
    height, width = is_used.shape
    padded = np.pad(is_used, ((0, -height % block), (0, -width % block)))
    blocks = padded.reshape(padded.shape[0] // block, block, -1, block).any(axis=(1, 3))
    rows = np.pad(blocks, ((1, 1), (0, 0)))
    near = rows[:-2] | rows[1:-1] | rows[2:]
    near |= np.roll(near, 1, 1) | np.roll(near, -1, 1)  # across the seam, too
    is_kept = near.repeat(block, 0).repeat(block, 1)[:height, :width]
    return np.where(is_kept[..., None], picture, np.uint8(128))
