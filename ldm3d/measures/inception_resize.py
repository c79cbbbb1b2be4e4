"""The two ways of resizing pictures for Inception: as published FIDs do, and as clean-fid does."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDE = 299  # pixels, input of the network


def tf1(pictures: NDArray[np.uint8], device: str) -> Tensor:
    """Resize bilinearly as TensorFlow 1 did: no half-pixel centres, no antialiasing.

    torch-fidelity's function gives the same bits in three times the time or more: it gathers all four corners of each
    pixel, and plane by plane.

    Args:
        pictures: (B, H, W, 3).

    Returns:
        (B, 3, 299, 299) float32 in [0, 255], channels last in memory.
    """
    pixels = torch.from_numpy(pictures).to(device)
    return _interpolate(_interpolate(pixels, 2), 1).permute(0, 3, 1, 2)


def clean(pictures: NDArray[np.uint8], device: str) -> Tensor:
    """Resize bicubically with antialiasing, in float, without rounding to whole levels (Parmar et al. 2022).

    Takes and returns what `tf1` does, in torch's usual memory format.
    """
    from PIL import Image

    resized = np.empty((len(pictures), 3, SIDE, SIDE), np.float32)
    for place, picture in enumerate(pictures):
        for channel in range(3):
            plane = Image.fromarray(picture[..., channel].astype(np.float32))
            resized[place, channel] = np.asarray(plane.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return torch.from_numpy(resized.clip(0, 255)).to(device)


def _interpolate(pixels: Tensor, axis: int) -> Tensor:
    """Resize one axis linearly to 299, pixel 0 on pixel 0: uint8 or float32 -> float32."""
    size = pixels.shape[axis]
    scale = torch.tensor(size / SIDE, dtype=torch.float32, device=pixels.device)  # TensorFlow's, rounded likewise
    position = torch.arange(SIDE, dtype=torch.float32, device=pixels.device) * scale
    low = position.long()
    high = (low + 1).clamp_max(size - 1)
    weight = (position - low).view([SIDE if each == axis else 1 for each in range(pixels.dim())])
    start, end = (pixels.index_select(axis, each).float() for each in (low, high))
    return end.sub_(start).mul_(weight).add_(start)
