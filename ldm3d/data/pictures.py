"""Rows of an RGBD corpus as pixels."""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.images import decode_depth, decode_rgb
from ldm3d.reject import Reason, Rejected
from ldm3d.rgbd import to_tensor

if TYPE_CHECKING:
    import torch


class Pictures(NamedTuple):
    """As small as pixels are on the way to a device: 5 bytes each, the tensor a network sees has 24.

    image: (B, H, W, 3) uint8 RGB
    depth: (B, H, W) uint16, larger = nearer
    """

    image: "torch.Tensor"
    depth: "torch.Tensor"

    def to_tensor(self, channels: Literal[6, 4], device: "torch.device | str" = "cpu") -> "torch.Tensor":
        """(B, channels, H, W) float32 [-1, 1], what the autoencoder sees (`ldm3d.rgbd.to_tensor`)."""
        return to_tensor(self.image.to(device), self.depth.to(device), channels)


def decode_rgbd(rows: pa.Table) -> Pictures:
    """Decode the pictures of some rows.

    For the threads of a reader: JPEG and PNG decoders run side by side, they let go of the interpreter. Conversion to
    floats does not belong there, as each thread that calls torch would start a set of torch threads of its own.

    Args:
        rows: B rows with the columns image and depth of `rgbd/v1`.

    Raises:
        ValueError: a picture does not decode, or is not of the size of the others.
    """
    import torch

    images = [decode_rgb(encoded) for encoded in _encoded(rows, "image")]
    depths = [decode_depth(encoded) for encoded in _encoded(rows, "depth")]
    if len(sizes := {image.shape[:2] for image in images} | {depth.shape for depth in depths}) > 1:
        raise ValueError(f"images and depth maps of one batch are {sorted(sizes)} pixels: all need one size")
    return Pictures(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(depths)))


def decode_square(image: bytes, depth: bytes, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """One row's image, (S, S, 3) uint8 RGB, and depth, (S, S) uint16, where a bad row is data.

    Args:
        size: S, in pixels.

    Raises:
        Rejected: one of them does not decode, or is of another size.
    """
    try:
        pixels, levels = decode_rgb(image), decode_depth(depth)
    except Exception as error:  # OpenCV has exceptions of its own
        raise Rejected(Reason.DECODE_FAILED, str(error)) from error
    if (sizes := {pixels.shape[:2], levels.shape}) != {(size, size)}:
        raise Rejected(Reason.DECODE_FAILED, f"image and depth of {sorted(sizes)} pixels, wanted {size} x {size}")
    return pixels, levels


def _encoded(rows: pa.Table, column: str) -> list[bytes]:
    return [picture["bytes"] for picture in rows[column].to_pylist()]
