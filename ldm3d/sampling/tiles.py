"""Large pictures decoded tile by tile, when decoding them whole would not fit into memory.

diffusers' tiling blends the decoder's output. Depth in two bytes must not be blended like that: half way between
0x12FF and 0x1301, byte by byte, is 0x1280. Here the codec reads each tile first, then colours and depths are blended.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

OVERLAP = 0.25  # least share of a tile that overlaps the next one, as in diffusers
FEWEST = 4  # latents on a tile's side: fewer would not overlap


def require_tile(tile: int, factor: int) -> None:
    """Raise ValueError unless a tile of this many pixels has a whole number of latents, and enough of them."""
    if tile < FEWEST * factor or tile % factor:
        wanted = f"{FEWEST * factor} or more, a multiple of {factor}, the autoencoder's factor"
        raise ValueError(f"tile is {tile} pixels, wanted {wanted}; None decodes the whole")


def blend_tiles(read: Callable[[Tensor], Tensor], latents: Tensor, side: int, factor: int, *, ring: bool) -> Tensor:
    """Read latents tile by tile and let the tiles fade into each other: every value lies between those of the tiles
    that cover its place.

    Args:
        read: (1, C, h, w) latents of a tile -> (1, P, H, W) float32, planes that may be blended.
        latents: (N, C, h, w).
        side: latents on a tile's side; a tile is never larger than the picture.
        factor: pixels per latent.
        ring: whether tiles continue across the right edge at the left one, so that there is no seam.

    Returns:
        (N, P, H, W) float32 on the CPU.
    """
    height, width = latents.shape[-2:]
    rows, columns = list(_spans(height, side, ring=False)), list(_spans(width, side, ring=ring))
    blended = []
    for latent in latents.split(1):
        total, weights = torch.zeros(()), torch.zeros(height * factor, width * factor)
        for row in rows:
            for column in columns:
                planes = read(latent[..., row[:, None], column].contiguous()).cpu()
                if not total.ndim:
                    total = planes.new_zeros(1, planes.shape[1], *weights.shape)
                place = _pixels(row, factor)[:, None], _pixels(column, factor)
                weight = _fading(len(place[0]))[:, None] * _fading(len(place[1]))
                total[..., *place] += planes * weight
                weights[place] += weight
        blended.append(total / weights)
    return torch.cat(blended)


def _spans(size: int, side: int, *, ring: bool) -> Iterator[Tensor]:
    """Yield the latents of each tile along a row or column, evenly spread; all tiles have one size."""
    side = min(side, size)
    step = side - round(side * OVERLAP)
    if side == size:
        starts = torch.zeros(1)
    elif ring:
        count = math.ceil(size / step)
        starts = torch.arange(count) * (size / count)
    else:
        starts = torch.linspace(0, size - side, math.ceil((size - side) / step) + 1)
    for start in starts.round().long():
        yield (start + torch.arange(side)) % size


def _pixels(latents: Tensor, factor: int) -> Tensor:
    return (latents[:, None] * factor + torch.arange(factor)).flatten()


def _fading(length: int) -> Tensor:
    """Return the weights of a tile's pixels along a side: they fall towards its ends, and are never 0."""
    from_end = torch.minimum(torch.arange(length), torch.arange(length - 1, -1, -1)) + 0.5
    return (from_end / (length * OVERLAP)).clamp(max=1)
