"""PIL pictures, or arrays, as the arrays that everything here works on; what they hold is checked, not guessed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from typing_extensions import TypeIs


def as_rgb(image: "Image | NDArray[np.uint8]") -> NDArray[np.uint8]:
    """Return a picture as (H, W, 3) uint8 RGB, an own copy if it was PIL's. Other modes of PIL are converted.

    Raises:
        ValueError: it is an array of another shape or dtype.
    """
    if _is_pil(image):
        return np.array(image.convert("RGB"))
    found = np.asarray(image)
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3:
        raise ValueError(
            f"image is {found.shape} {found.dtype}, wanted a PIL picture or (H, W, 3) uint8: multiply floats of 0 to "
            "1 by 255 and round them"
        )
    return found


def as_rgb_batch(images: "Image | Sequence[Image] | NDArray[np.uint8]") -> NDArray[np.uint8]:
    """Return pictures as (N, H, W, 3) uint8 RGB: one of PIL, several of one size, or such an array as it is.

    Raises:
        ValueError: there are none, sizes differ, or an array has another shape or dtype.
    """
    if _is_pil(images):
        return as_rgb(images)[None]
    if not isinstance(images, np.ndarray):
        each = [as_rgb(image) for image in images]
        if len({image.shape for image in each}) != 1:
            sizes = sorted({f"{image.shape[1]} x {image.shape[0]}" for image in each})
            raise ValueError(f"{len(each)} pictures of sizes {sizes}: give one or more, of one size")
        return np.stack(each)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(
            f"images are {images.shape} {images.dtype}, wanted (N, H, W, 3) uint8, or PIL pictures: give one array as "
            "image[None]"
        )
    return images


def as_depth(depth: "Image | NDArray[np.uint16]") -> NDArray[np.uint16]:
    """Return depth as (H, W) uint16, an own copy if it was PIL's.

    Raises:
        ValueError: it has not 16 bits, or more than one channel.
    """
    got = f"{depth.mode} of PIL" if _is_pil(depth) else None
    found: NDArray[Any] = np.array(depth) if got else np.asarray(depth)
    if got and found.dtype == np.int32 and found.size and found.min() >= 0 and found.max() <= 65_535:
        found = found.astype(np.uint16)
    if found.dtype.kind == "u" and found.dtype.itemsize == 2 and found.ndim == 2:
        return found.astype(np.uint16, copy=False)  # in this machine's byte order
    raise ValueError(
        f"depth is {got or f'{found.shape} {found.dtype}'}, wanted a PIL picture of mode I;16 or (H, W) uint16: 8 "
        "bits have lost most of it; give what was saved as a 16-bit PNG"
    )


def as_mask(mask: "Image | NDArray[np.bool_ | np.uint8]") -> NDArray[np.bool_]:
    """Return a mask as (H, W) booleans; of numbers, 0 is False and 255 is True.

    Raises:
        ValueError: it holds other numbers, or other channels than one.
    """
    found = np.array(mask.convert("L")) if _is_pil(mask) else np.asarray(mask)
    if found.dtype != np.bool_ and not (found.dtype == np.uint8 and np.isin(found, (0, 255)).all()):
        raise ValueError(
            f"mask is {found.dtype} of {found.min()} to {found.max()}, wanted bool, or uint8 of 0 and 255"
        )
    return found.astype(np.bool_)


def _is_pil(given: object) -> "TypeIs[Image]":
    from PIL.Image import Image

    return isinstance(given, Image)
