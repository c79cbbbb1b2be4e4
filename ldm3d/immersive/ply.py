"""Meshes and points as PLY, for tools that read neither glTF nor splats: colours are of vertices, in sRGB bytes."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.mesh import Mesh
from ldm3d.immersive.splats import Splats

VERTEX = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
FACE = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])
TYPES = {"<f4": "float", "|u1": "uchar"}


def mesh_ply(mesh: Mesh, facts: dict[str, Any] | None = None, *, wraps: bool = True) -> bytes:
    """Return a mesh as binary PLY, in metres, y up.

    Args:
        mesh: a vertex gets the colour that its picture has there, the mean of the pixels that meet.
        facts: JSON values that a comment holds.
        wraps: whether left and right of the picture meet.
    """
    vertices = _vertices(mesh.positions, _colours(mesh, wraps))
    faces = np.empty(len(mesh.triangles), FACE)
    faces["count"], faces["vertices"] = 3, mesh.triangles
    head = [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    return _head(len(vertices), head, facts) + vertices.tobytes() + faces.tobytes()


def points_ply(splats: Splats, facts: dict[str, Any] | None = None) -> bytes:
    """Return the middles of splats as a point cloud in binary PLY, in metres, y up: a point for each pixel.

    Args:
        splats: of which only positions and colours are used.
        facts: JSON values that a comment holds.
    """
    vertices = _vertices(splats.positions, np.asarray(splats.colours, np.uint8))
    return _head(len(vertices), [], facts) + vertices.tobytes()


def _head(count: int, more: list[str], facts: dict[str, Any] | None) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", f"comment {json.dumps(facts or {})}", f"element vertex {count}"]
    lines += [f"property {TYPES[VERTEX[name].str]} {name}" for name in VERTEX.names or ()]
    return "\n".join([*lines, *more, "end_header", ""]).encode("ascii")


def _vertices(positions: NDArray[np.float32], colours: NDArray[np.uint8]) -> NDArray[np.void]:
    table = np.empty(len(positions), VERTEX)
    for place, name in enumerate(("x", "y", "z")):
        table[name] = positions[:, place]
    for place, name in enumerate(("red", "green", "blue")):
        table[name] = colours[:, place]
    return table


def _colours(mesh: Mesh, wraps: bool) -> NDArray[np.uint8]:
    """Return the colours of vertices, (N, 3)."""
    height, width = mesh.picture.shape[:2]
    across, down = mesh.uv[:, 0] * width - 0.5, mesh.uv[:, 1] * height - 0.5
    total = np.zeros((len(mesh.uv), 3), np.float64)
    for row in (np.floor(down), np.ceil(down)):
        for column in (np.floor(across), np.ceil(across)):
            beside = column % width if wraps else np.clip(column, 0, width - 1)
            total += mesh.picture[np.clip(row, 0, height - 1).astype(np.int64), beside.astype(np.int64)]
    return np.asarray(np.round(total / 4), np.uint8)
