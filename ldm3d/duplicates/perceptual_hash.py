"""The perceptual hash of a picture: which of its lowest frequencies are strong. It sees luma only."""

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
    waves = 2 * np.cos(np.pi / (2 * _SIDE) * np.outer(np.arange(_LOW), 2 * np.arange(_SIDE) + 1))
    coefficients = waves @ np.asarray(luma, np.float64) @ waves.T
    if np.median(np.abs(coefficients)) < _ONE_LEVEL:
        return NO_HASH
    bits = coefficients > np.median(coefficients)
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)
