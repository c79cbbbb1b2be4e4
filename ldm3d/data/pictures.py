"""Rows of an RGBD corpus as pixels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.images import decode_depth, decode_rgb
from ldm3d.reject import Reason, Rejected
from ldm3d.rgbd import to_tensor

if TYPE_CHECKING:
    import torch


class Pictures(NamedTuple):
    """B pictures, compact on the way to a device: 5 bytes a pixel, where the tensor that a network sees has 24."""

    image: "torch.Tensor"
    """(B, H, W, 3) uint8 RGB."""
    depth: "torch.Tensor"
    """(B, H, W) uint16, larger = nearer."""

    @classmethod
    def of(cls, images: Sequence[NDArray[np.uint8]], depths: Sequence[NDArray[np.uint16]]) -> Self:
        """Stack B images, (H, W, 3), and B depth maps, (H, W), all of one size."""
        import torch

        return cls(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(depths)))

    def to_tensor(self, channels: Literal[6, 4], device: "torch.device | str" = "cpu") -> "torch.Tensor":
        """Return what the autoencoder sees, (B, channels, H, W) float32 in [-1, 1] (`ldm3d.rgbd.to_tensor`)."""
        return to_tensor(self.image.to(device), self.depth.to(device), channels)


def decode_rgbd(rows: pa.Table) -> Pictures:
    """Decode the pictures of some rows.

    Call it from a reader's threads: JPEG and PNG decoders release the interpreter lock and run in parallel. Do not
    convert to floats there: each thread that computes with torch would start its own set of torch threads.

    Args:
        rows: B rows with the columns image and depth of `rgbd/v1`.

    Raises:
        ValueError: a picture does not decode, or its size differs from the others'.
    """
    images = [decode_rgb(encoded) for encoded in _encoded(rows, "image")]
    depths = [decode_depth(encoded) for encoded in _encoded(rows, "depth")]
    sizes = {image.shape[:2] for image in images} | {depth.shape for depth in depths}
    if len(sizes) > 1:
        raise ValueError(f"images and depth maps of a batch are {sorted(sizes)} pixels, wanted one size for all")
    return Pictures.of(images, depths)


def decode_square(image: bytes, depth: bytes, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Decode one row's image, (S, S, 3) uint8 RGB, and depth, (S, S) uint16.

    Args:
        size: S, in pixels.

    Raises:
        Rejected: one of them does not decode, or has another size.
    """
    try:
        pixels, levels = decode_rgb(image), decode_depth(depth)
    except Exception as error:  # OpenCV raises its own kinds
        raise Rejected(Reason.DECODE_FAILED, str(error)) from error
    sizes = {pixels.shape[:2], levels.shape}
    if sizes != {(size, size)}:
        raise Rejected(Reason.DECODE_FAILED, f"image and depth of {sorted(sizes)} pixels, wanted {size} x {size}")
    return pixels, levels


def _encoded(rows: pa.Table, column: str) -> list[bytes]:
    return [picture["bytes"] for picture in rows[column].to_pylist()]
