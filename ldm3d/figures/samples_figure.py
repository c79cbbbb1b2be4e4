"""Samples of several sets for the same captions, with their depth, like figure 3 of the paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.figures.contact_sheet import colour_depth
from ldm3d.figures.picture_grid import Heading, PictureRow, picture_grid
from ldm3d.rgbd import DEPTH_MAX


@dataclass(frozen=True, eq=False)
class Shown:
    """A set's sample for a caption."""

    image: NDArray[np.uint8]
    """H x W x 3 RGB."""
    depth: NDArray[Any] | None = None
    """H x W, the sample's relative inverse depth on any scale, larger = nearer."""
    peer: NDArray[Any] | None = None
    """H x W, what a peer sees in the picture, likewise."""


@dataclass(frozen=True, eq=False)
class SamplesRow:
    """The samples of one caption."""

    caption: str
    shown: Mapping[str, Shown]
    """By name of the set."""


def samples_figure(rows: Sequence[SamplesRow], peer: str = "peer") -> bytes:
    """Draw a row per caption: for each set the image and, in colours, its depth and the peer's if any, as a PNG.

    Near is bright, far is dark; each map is stretched over its own range, since maps have no common scale.

    Args:
        peer: name for the headings.

    Raises:
        ValueError: there is nothing to show.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.shown))
    kinds = {name: _kinds([row.shown[name] for row in rows if name in row.shown]) for name in names}
    titles = {"image": "image", "depth": "depth", "peer": f"depth by {peer}"}
    sets = [Heading(name, len(kinds[name])) for name in names]
    below = [Heading(titles[kind]) for name in names for kind in kinds[name]]
    pictures = [
        PictureRow(row.caption, [_picture(row.shown.get(name), kind) for name in names for kind in kinds[name]])
        for row in rows
    ]
    return picture_grid([sets, below], pictures)


def stretched(depth: NDArray[Any]) -> NDArray[np.uint16]:
    """Stretch (H, W) values of any scale to 0 to 65,535; values that are not finite become 0."""
    finite = np.isfinite(depth)
    if not finite.any():
        return np.zeros(depth.shape, np.uint16)
    values = depth.astype(np.float64)
    low, high = values[finite].min(), values[finite].max()
    scaled = (np.where(finite, values, low) - low) / (high - low if high > low else 1.0)
    return np.asarray((scaled * DEPTH_MAX).round(), np.uint16)


def _kinds(shown: Sequence[Shown]) -> list[str]:
    return ["image", *(kind for kind in ("depth", "peer") if any(getattr(each, kind) is not None for each in shown))]


def _picture(shown: Shown | None, kind: str) -> NDArray[np.uint8] | None:
    found = getattr(shown, kind) if shown else None
    if found is None or kind == "image":
        return found
    return colour_depth(stretched(found))
