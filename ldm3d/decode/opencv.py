"""OpenCV's decoder, whose failures are of one kind here: it returns nothing for some files, and raises for others."""

import numpy as np
from numpy.typing import NDArray


def imdecode(content: bytes, flags: int) -> NDArray[np.generic]:
    """Decode a file by `cv2.imdecode`.

    Args:
        content: the file.
        flags: those of `cv2.imread`.

    Returns:
        (H, W) or (H, W, C), of the type that `flags` ask for; colours are BGR.

    Raises:
        ValueError: it does not decode, or declares more pixels than OpenCV takes.
    """
    import cv2

    try:
        # OpenCV's types say that it always returns pixels
        pixels: NDArray[np.generic] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:  # which is no ValueError
        raise ValueError(f"image does not decode ({content[:8].hex(' ')} ...): {str(error).strip()}") from error
    if pixels is None:
        raise ValueError(f"image does not decode ({content[:8].hex(' ')} ...)")
    return pixels
