"""Surfaces as triangles with a picture: for files that other software opens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.surface import Surface


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles, whose front is seen from the origin."""

    positions: NDArray[np.float32]
    """(N, 3), metres: x right, y up, -z ahead."""
    uv: NDArray[np.float32]
    """(N, 2), shares of the picture's width and height, from its upper left corner, as glTF has them."""
    triangles: NDArray[np.uint32]
    """(T, 3): vertices, counter-clockwise as seen from the origin."""
    picture: NDArray[np.uint8]
    """(H, W, 3), sRGB."""


def mesh_of(surface: Surface) -> Mesh:
    """Return a surface as a mesh: two triangles for each pixel, and one at the poles.

    Vertices are shared by the pixels that meet there. At the seam each is there twice, as its place in the picture is 0
    for the pixel on its right and 1 for the one on its left; at a pole each pixel has its own, whose place is the
    middle of its border.
    """
    height, width = surface.corners.shape[:2]
    is_there = surface.corners[..., 0] > 0
    rows, columns = np.nonzero(is_there)
    row = rows[:, None] + np.array([0, 0, 1, 1])
    column = columns[:, None] + np.array([0, 1, 0, 1])
    inverse = surface.corners[rows, columns]
    is_polar = (surface.rays[row, column, ::2] == 0).all(axis=-1)
    across = np.where(is_polar, columns[:, None] + 0.5, column)
    keys = np.empty(row.shape, np.dtype([("row", "i4"), ("across", "f8"), ("inverse", "f4")]))
    keys["row"], keys["across"], keys["inverse"] = row, across, inverse
    _, first, vertex = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    vertex = vertex.reshape(row.shape).astype(np.uint32)
    positions = (surface.rays[row, column] / inverse[..., None]).reshape(-1, 3)[first]
    uv = np.stack([across / width, row / height], axis=-1).reshape(-1, 2)[first]
    triangles = np.concatenate([vertex[:, [0, 2, 1]], vertex[:, [1, 2, 3]]])
    is_triangle = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    return Mesh(positions.astype(np.float32), uv.astype(np.float32), triangles[is_triangle], surface.picture)


def thinned(
    picture: NDArray[np.uint8], distance: NDArray[np.floating], step: int
) -> tuple[NDArray[np.uint8], NDArray[np.floating]]:
    """Return a panorama for a mesh of fewer triangles: each cell is `step` pixels wide and high.

    The distance of a cell is its nearest, so that what is thin and near is not lost. The picture stays as it is.

    Raises:
        ValueError: the step does not divide the height.
    """
    height, width = distance.shape
    if step < 1 or height % step or height // step < 2:
        raise ValueError(f"step is {step}, wanted one that divides the height of {height} pixels, and is at most half")
    return picture, np.nanmin(distance.reshape(height // step, step, width // step, step), axis=(1, 3))
