"""Surfaces as triangles with a picture: for files that other software opens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm3d.compiling import compiled
from ldm3d.immersive.surface import Surface


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles, whose front is seen from the origin."""

    positions: NDArray[np.float32]
    """(N, 3), metres: x right, y up, -z ahead."""
    uv: NDArray[np.float32]
    """(N, 2), shares of the picture's width and height, from its upper left corner, as in glTF."""
    triangles: NDArray[np.uint32]
    """(T, 3): vertices, counter-clockwise as seen from the origin."""
    picture: NDArray[np.uint8]
    """(H, W, 3), sRGB."""


def mesh_of(surface: Surface) -> Mesh:
    """Return a surface as a mesh: two triangles for each pixel, and one at a pole.

    Vertices are shared by the pixels that meet there. At the seam each is there twice, as its place in the picture is
    0 for the pixel on its right and 1 for the one on its left. At a pole each pixel has one of its own, whose place is
    the middle of the pixel's border.
    """
    height, width = surface.corners.shape[:2]
    vertices = np.full((height, width, 4), -1, np.int64)
    places = np.empty((4 * height * width, 3))  # row, column, 1 / distance
    is_polar = np.array([_is_pole(surface.rays[0]), _is_pole(surface.rays[-1])])
    count = number(surface.corners, is_polar, vertices, places)
    rows, columns, inverse = places[:count].T
    rays = surface.rays[rows.astype(np.int64), np.floor(columns).astype(np.int64)]
    uv = np.stack([columns / width, rows / height], axis=-1)
    vertex = vertices[surface.corners[..., 0] > 0]
    triangles = np.stack([vertex[:, [0, 2, 1]], vertex[:, [1, 2, 3]]], axis=1).reshape(-1, 3)
    is_whole = (triangles[:, 0] != triangles[:, 1]) & (triangles[:, 1] != triangles[:, 2])
    is_whole &= triangles[:, 2] != triangles[:, 0]
    return Mesh(
        (rays / inverse[:, None]).astype(np.float32),
        uv.astype(np.float32),
        triangles[is_whole].astype(np.uint32),
        surface.picture,
    )


def _is_pole(rays: NDArray[np.float64]) -> bool:
    """Whether a row of corners is one point."""
    return bool((rays == rays[0]).all())


def _number(
    corners: NDArray[np.float32],
    is_polar: NDArray[np.bool_],
    vertices: NDArray[np.int64],
    places: NDArray[np.float64],
) -> int:
    """Number the vertices.

    Args:
        corners: those of a `Surface`.
        is_polar: whether the first row of corners is a pole, and the last one.
        vertices: (H, W, 4), to be filled: the vertex at each corner of each pixel.
        places: (4 H W, 3), to be filled: row, column and inverse distance of each vertex.

    Returns:
        How many there are.
    """
    height, width = corners.shape[:2]
    count = 0
    for i in range(height + 1):
        is_pole = (i == 0 and is_polar[0]) or (i == height and is_polar[1])
        for j in range(width + 1):
            for place in range(4):  # of the pixels around this corner, which is their corner 3 - place
                row, column, corner = i - 1 + place // 2, j - 1 + place % 2, 3 - place
                if not (0 <= row < height and 0 <= column < width and corners[row, column, corner] > 0):
                    continue
                found = -1
                if is_pole and corner % 2 == 1:  # a pixel's two corners there are one
                    found = vertices[row, column, corner - 1]
                for other in range(0 if is_pole else place):
                    beside, before, shared = i - 1 + other // 2, j - 1 + other % 2, 3 - other
                    is_there = 0 <= beside < height and 0 <= before < width
                    if is_there and corners[beside, before, shared] == corners[row, column, corner]:
                        found = vertices[beside, before, shared]
                if found < 0:
                    found = count
                    places[count, 0], places[count, 1] = i, column + 0.5 if is_pole else j
                    places[count, 2] = corners[row, column, corner]
                    count += 1
                vertices[row, column, corner] = found
    return count


number = compiled(_number)
