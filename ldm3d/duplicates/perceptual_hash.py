"""The perceptual hash of a picture: which of its lowest frequencies are strong. It sees luma only."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

NO_HASH = 0  # for a picture without structure; equal to nothing, itself included

_SIDE = 32  # a hash sees 32 x 32 pixels ...
_LOW = 8  # ... and their 8 x 8 lowest frequencies
# One grey level of noise in every pixel moves a coefficient by this much: 4 x sqrt(32 / 2 x 32 / 2).
_ONE_LEVEL = 64.0


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """Hash a picture: which of the 64 lowest DCT coefficients of the luma lie above their median, as in
    `imagehash.phash`.

    The hashes of a picture and of its resized or recompressed copy differ in few bits. The hash of a flat or nearly
    flat picture would mean nothing, and merge thousands of different pictures into one: if half of the coefficients
    are smaller than one grey level of noise makes them, it is `NO_HASH`.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The 64 bits, lowest frequency first, as a signed integer.
    """
    from PIL import Image

    luma = Image.fromarray(image).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    waves = _waves()
    coefficients = waves @ np.asarray(luma, np.float64) @ waves.T
    if _median(np.abs(coefficients)) < _ONE_LEVEL:
        return NO_HASH
    bits = coefficients > _median(coefficients)
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)


def _median(coefficients: NDArray[np.float64]) -> float:
    """Return the median of an even number of values, equal to numpy's, which takes ten times longer for so few."""
    ordered = np.sort(coefficients, axis=None)
    return float(ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2


@cache
def _waves() -> NDArray[np.float64]:
    """Return the (_LOW, _SIDE) lowest waves of the DCT-II."""
    angles = np.pi / (2 * _SIDE) * np.outer(np.arange(_LOW), 2 * np.arange(_SIDE) + 1)
    return np.asarray(2 * np.cos(angles), np.float64)
