"""The RGBD codec: 16-bit depth to and from the channels that the autoencoder sees.

LDM3D (arXiv 2305.10853, section 3.1.2) unpacks 16-bit depth into three 8-bit channels, so that it looks like an image
to a network that was trained on images; the first is zero, room for a 24-bit map. Its authors' later 4-channel model
sees depth as one channel. Depth is relative inverse depth throughout: larger is nearer.

Every function takes numpy arrays or torch tensors and returns the same kind, on the same device. Depth is uint16 in
both. A torch tensor may also be int32 of 0 to 65,535: torch.uint16 can be stored, moved and cast, but not shifted,
compared or resized.

Packed depth is a codec, not an image: resize, crop and average depth *before* packing. A bilinear resize of packed
bytes is off by up to 257 of 65,535.
"""

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", NDArray[Any], "torch.Tensor")

DEPTH_MAX = 65_535


def pack_depth(depth: Array, channel_axis: Literal[-1, -3] | None = None) -> Array:
    """Pack depth into an RGB-like picture of the bytes `[0, high, low]`.

    Args:
        depth: (..., H, W) uint16 if `channel_axis` is None, (..., H, W, 1) if it is -1, (..., 1, H, W) if it is -3.
        channel_axis: the axis of length 1 that becomes the three channels; None appends them.

    Returns:
        uint8: (..., H, W, 3), or (..., 3, H, W) if `channel_axis` is -3.

    Raises:
        TypeError: `depth` is not uint16. Quantise first: a float map has lost which range it stood for.
        ValueError: `channel_axis` is given and is not of length 1, or an int32 value does not fit 16 bits.
    """
    if channel_axis is not None:
        _require_channels(depth, channel_axis, 1, "depth")
        depth = depth[..., 0] if channel_axis == -1 else depth[..., 0, :, :]
    wide = _widened(depth)
    xp = _namespace(depth)
    channels = [xp.zeros_like(wide), wide >> 8, wide & 0xFF]
    packed: Array = xp.stack(channels, axis=-1 if channel_axis is None else channel_axis)
    return _cast(packed, "uint8")


def unpack_depth(packed: Array, channel_axis: Literal[-1, -3] = -1) -> Array:
    """Invert `pack_depth`, exactly for all 65,536 values: 256 x high + low, whatever the first channel holds.

    Widens before it shifts: in uint8 the high byte would be lost.

    Args:
        packed: (..., H, W, 3) uint8, or (..., 3, H, W) if `channel_axis` is -3.
        channel_axis: where the channels are; never guessed from the shape.

    Returns:
        (..., H, W) uint16.

    Raises:
        TypeError: `packed` is not uint8.
        ValueError: `channel_axis` is not of length 3.
    """
    xp = _namespace(packed)
    if packed.dtype != xp.uint8:
        raise TypeError(f"packed depth must be uint8, got {packed.dtype}: for values in [-1, 1] use from_tensor")
    _require_channels(packed, channel_axis, 3, "packed depth")
    wide: Array = xp.moveaxis(_cast(packed, "int32"), channel_axis, -1)
    return _cast(wide[..., 1] * 256 + wide[..., 2], "uint16")


def to_tensor(image: Array, depth: Array, channels: Literal[6, 4] = 6) -> Array:
    """Build the tensor that the autoencoder sees.

    Args:
        image: (..., H, W, 3) uint8 RGB [0, 255].
        depth: (..., H, W) uint16 [0, 65535].
        channels: 6 for [R, G, B, 0, high, low], the paper's; 4 for [R, G, B, depth].

    Returns:
        (..., channels, H, W) float32 [-1, 1]. A single depth channel keeps all 65,536 values apart: near 1 they are
        512 float32 steps from each other.

    Raises:
        TypeError: `image` is not uint8, or `depth` is not uint16.
        ValueError: the image is not three channels last, or its height, width or batch is not that of `depth`.
    """
    xp = _namespace(image)
    if image.dtype != xp.uint8:
        raise TypeError(f"image must be uint8, got {image.dtype}: give RGB as stored, [0, 255]")
    _require_channels(image, -1, 3, "image")
    if tuple(image.shape[:-1]) != tuple(depth.shape):
        shapes = f"image {tuple(image.shape)}, depth {tuple(depth.shape)}"
        raise ValueError(f"{shapes}: wanted (..., H, W, 3) and (..., H, W) of one size")
    colour = _scaled(image, 255)
    nearness = _scaled(pack_depth(depth), 255) if channels == 6 else _scaled(_widened(depth), DEPTH_MAX)[..., None]
    return xp.moveaxis(xp.concat([colour, nearness], axis=-1), -1, -3)  # type: ignore[no-any-return]


def from_tensor(tensor: Array) -> tuple[Array, Array]:
    """Invert `to_tensor`, for the output of an autoencoder: clamped to [-1, 1], each channel rounded by itself.

    With six channels nothing carries from the low byte to the high one: 0x12FF whose high byte is decoded as 0x13 is
    off by 256. So a model's depth is as exact as its high byte, whatever the low byte holds.

    Args:
        tensor: (..., C, H, W) floating point, C = 6 or 4. float16 keeps bytes exactly, but not a single depth channel.

    Returns:
        image: (..., H, W, 3) uint8 RGB.
        depth: (..., H, W) uint16.

    Raises:
        ValueError: C is neither 6 nor 4, or a value is NaN.
    """
    channels = tensor.shape[-3] if tensor.ndim >= 3 else None
    if channels not in (6, 4):
        raise ValueError(f"an RGBD tensor is (..., 6 or 4, H, W), got {tuple(tensor.shape)}")
    unit = _channels_last(tensor)
    image = _cast(_levels(unit[..., :3], 255), "uint8")
    if channels == 6:
        return image, unpack_depth(_cast(_levels(unit[..., 3:], 255), "uint8"))
    return image, _cast(_levels(unit[..., 3], DEPTH_MAX), "uint16")


def image_from_tensor(tensor: Array) -> Array:
    """Return the image alone, from the output of an autoencoder without depth.

    Args:
        tensor: (..., 3, H, W) floating point.

    Returns:
        (..., H, W, 3) uint8 RGB.

    Raises:
        ValueError: there are other channels, or a value is NaN.
    """
    _require_channels(tensor, -3, 3, "an RGB tensor")
    return _cast(_levels(_channels_last(tensor), 255), "uint8")


def _channels_last(tensor: Array) -> Array:
    """Move (..., C, H, W) to (..., H, W, C) float32."""
    xp = _namespace(tensor)
    unit: Array = xp.moveaxis(_cast(tensor, "float32"), -3, -1)
    if xp.isnan(unit).any():
        raise ValueError("the tensor holds NaN: decode in float32 or bfloat16, float16 overflows")
    return unit


def _namespace(array: object) -> Any:
    """Return numpy or torch: the functions used here have the same names in both."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def _cast(array: Array, dtype: str) -> Array:
    if isinstance(array, np.ndarray):
        return array.astype(dtype)
    return array.detach().to(getattr(_namespace(array), dtype))


def _require_channels(array: Array, axis: int, count: int, name: str) -> None:
    if array.ndim < 3 or array.shape[axis] != count:
        layout = f"(..., H, W, {count})" if axis == -1 else f"(..., {count}, H, W)"
        raise ValueError(f"{name} must be {layout}, got {tuple(array.shape)}: say where the channels are")


def _widened(depth: Array) -> Array:
    """Return uint16 depth as int32, for calculations."""
    xp = _namespace(depth)
    if depth.dtype != xp.uint16 and not (xp is not np and depth.dtype == xp.int32):
        raise TypeError(f"depth must be uint16, got {depth.dtype}: quantise it first (ldm3d.depth.relative.quantise)")
    wide = _cast(depth, "int32")
    if depth.dtype == xp.int32 and bool(((wide < 0) | (wide > DEPTH_MAX)).any()):
        got = f"{int(wide.min())} to {int(wide.max())}"
        raise ValueError(
            f"depth must be 0 to {DEPTH_MAX}, got {got}: quantise it first (ldm3d.depth.relative.quantise)"
        )
    return wide


def _scaled(levels: Array, largest: int) -> Array:
    """Scale integers 0 to `largest` to float32 [-1, 1]."""
    return _cast(levels, "float32") / (largest / 2) - 1


def _levels(unit: Array, largest: int) -> Array:
    """Scale float32 [-1, 1] to the nearest of 0 to `largest`, still float32."""
    xp = _namespace(unit)
    return xp.round(xp.clip((unit + 1) * (largest / 2), 0, largest))  # type: ignore[no-any-return]
