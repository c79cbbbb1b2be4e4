"""Aligned depth beside its reference, in metres, like figure 8 of the paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ldm3d.figures.contact_sheet import GAP, LINE, TILE, colour_depth, typeface
from ldm3d.figures.picture_grid import INK, Heading, PictureRow, picture_grid
from ldm3d.rgbd import DEPTH_MAX

VOID = (150, 156, 163)  # grey where there is no depth, not a colour of the scale
KINDS = ("own", "peer", "reference")  # of depth, as a row has them
SCALED = "scaled to the reference"  # by the scale and shift that fit it best: such depth has no unit of its own
BAR, TICKS = 14, 5  # height in pixels; numbers below it


@dataclass(frozen=True, eq=False)
class DepthRow:
    """One sample. Depth is void where it is not finite or not above 0."""

    caption: str
    image: NDArray[np.uint8]
    """H x W x 3 RGB."""
    reference: NDArray[Any]
    """H x W, metres."""
    own: NDArray[Any] | None = None
    """H x W, metres: the sample's depth, aligned with the reference."""
    peer: NDArray[Any] | None = None
    """H x W, metres: the depth that a peer predicts for the picture, aligned likewise."""


def depth_figure(
    rows: Sequence[DepthRow], own: str = "sample", peer: str = "peer", reference: str = "reference"
) -> bytes:
    """Draw a row per sample: image, its depth, the peer's, the reference, on one colour scale, as a PNG.

    The scale, drawn as a bar below, runs from the nearest to the farthest depth in any reference; near is bright.
    Depth beyond either end has the colour of that end, and void depth is grey.

    Args:
        own, peer, reference: names for the headings.

    Raises:
        ValueError: there are no rows.
    """
    titles = headings(own, peer, reference)
    kinds = [kind for kind in KINDS if any(getattr(row, kind) is not None for row in rows)]
    near, far = _range([row.reference for row in rows])
    pictures = [
        PictureRow(row.caption, [row.image, *(_coloured(getattr(row, kind), near, far) for kind in kinds)])
        for row in rows
    ]
    lines = [[titles[kind][line] for kind in ("image", *kinds)] for line in (0, 1)]
    return picture_grid(
        [[Heading(text) for text in line] for line in lines],
        pictures,
        _bar(near, far, (len(kinds) + 1) * (TILE + GAP) - GAP),
    )


def headings(own: str, peer: str, reference: str) -> dict[str, tuple[str, str]]:
    """Return the heading above each kind of picture, and what is said of it below."""
    return {
        "image": ("image", ""),
        "own": (f"depth of the {own}", SCALED),
        "peer": (f"depth model {peer}", SCALED),
        "reference": (f"reference {reference}", "in metres"),
    }


def colour_metres(depth_m: NDArray[Any], near: float, far: float) -> NDArray[np.uint8]:
    """(H, W) metres -> (H, W, 3) uint8 RGB, from bright at `near` to dark at `far`, linear in metres."""
    valid = _valid(depth_m)
    share = np.clip((far - np.where(valid, depth_m, far)) / (far - near), 0, 1)
    colours = colour_depth((share * DEPTH_MAX).round().astype(np.uint16))
    colours[~valid] = VOID
    return colours


def _coloured(depth_m: NDArray[Any] | None, near: float, far: float) -> NDArray[np.uint8] | None:
    return None if depth_m is None else colour_metres(depth_m, near, far)


def _range(references: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Return the nearest and farthest valid depth; a range of 1 m if they do not span any."""
    found = [values for each in references if len(values := each[_valid(each)])]
    if not found:
        return 0.0, 1.0
    near, far = float(min(each.min() for each in found)), float(max(each.max() for each in found))
    return near, far if far > near else near + 1.0


def _valid(depth_m: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(depth_m) & (depth_m > 0))


def _bar(near: float, far: float, width: int) -> Image.Image:
    """Draw the scale, with metres below it."""
    margin, letters = 24, typeface(LINE - 4)
    bar = Image.new("RGB", (width, BAR + LINE + 6), "white")
    draw = ImageDraw.Draw(bar)
    metres = np.linspace(near, far, width - 2 * margin)
    bar.paste(Image.fromarray(colour_metres(np.tile(metres, (BAR, 1)), near, far)), (margin, 0))
    for value in np.linspace(near, far, TICKS):
        x = margin + (value - near) / (far - near) * (width - 2 * margin - 1)
        draw.line([(x, BAR), (x, BAR + 3)], fill=INK)
        draw.text((x, BAR + 5), f"{value:.2f} m", fill=INK, font=letters, anchor="ma")
    return bar
