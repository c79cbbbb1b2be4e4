"""A picture with distances as Gaussian splats, one for each pixel, without any training.

Each is a disc on its surface, as large as its pixel and opaque. Two files hold them: the PLY of the authors of
Gaussian splatting (INRIA), which all viewers of splats open, and GLB with KHR_gaussian_splatting.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.glb import FLOAT, Parts, glb
from ldm3d.immersive.srgb import light_of
from ldm3d.immersive.surface import Surface

HARMONIC_0 = 0.28209479177387814  # 1 / (2 sqrt(pi)), the constant spherical harmonic
SPREAD = 0.6  # standard deviation in pixels: neighbours overlap without a gap, and without much blur
FLATNESS = 0.1  # of a disc: its thickness, in its radii
OPACITY = 0.999


@dataclass(frozen=True, eq=False)
class Splats:
    """Gaussians in space."""

    positions: NDArray[np.float32]
    """(N, 3), metres: x right, y up, -z ahead."""
    scales: NDArray[np.float32]
    """(N, 3), metres: standard deviations along their own axes; the third is the normal."""
    rotations: NDArray[np.float32]
    """(N, 4): unit quaternions x, y, z, w, from their own axes to those of space."""
    colours: NDArray[np.uint8]
    """(N, 3) uint8: sRGB."""


def splats_of(surface: Surface) -> Splats:
    """Return a splat for each pixel of a surface."""
    there = surface.corners[..., 0] > 0
    row, column = np.nonzero(there)
    points = [
        surface.rays[row + place // 2, column + place % 2] / surface.corners[row, column, place, None]
        for place in range(4)
    ]
    upper, lower = (points[0] + points[1]) / 2, (points[2] + points[3]) / 2
    left, right = (points[0] + points[2]) / 2, (points[1] + points[3]) / 2
    across, down = right - left, lower - upper
    first = _unit(across)
    normal = _unit(np.cross(first, -down))
    second = np.cross(normal, first)
    widths = np.linalg.norm(across, axis=1)
    heights = np.abs((down * second).sum(axis=1))
    thickness = FLATNESS * np.minimum(widths, heights)
    scales = SPREAD * np.maximum(np.stack([widths, heights, thickness], axis=1), 1e-6)
    return Splats(
        ((upper + lower) / 2).astype(np.float32),
        scales.astype(np.float32),
        _quaternions(np.stack([first, second, normal], axis=-1)),
        surface.picture[row, column],
    )


def splat_ply(splats: Splats) -> bytes:
    """Return the PLY file of splats.

    Viewers of such files expect y down and z ahead, as COLMAP has it, so the scene is turned by 180 degrees around x.
    Scales are logarithms, opacities logits, and rotations begin with w.
    """
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"]
    names += ["scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    count = len(splats.positions)
    x, y, z, w = splats.rotations.T
    turned = np.stack([-x, w, -z, y], axis=1)  # (1, 0, 0, 0) times the rotation, as w, x, y, z
    table = np.concatenate(
        [
            splats.positions * np.array([1, -1, -1]),
            np.zeros((count, 3)),
            _harmonics(splats),
            np.full((count, 1), np.log(OPACITY / (1 - OPACITY))),
            np.log(splats.scales),
            turned,
        ],
        axis=1,
    ).astype("<f4")
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    head += [f"property float {name}" for name in names]
    return "\n".join([*head, "end_header", ""]).encode() + table.tobytes()


def splat_glb(splats: Splats, facts: dict[str, Any] | None = None) -> bytes:
    """Return the GLB file of splats, with KHR_gaussian_splatting: y is up, scales and opacities are themselves.

    Readers that do not know the extension show its points, in colours that are linear, as glTF has them.
    """
    parts, prefix = Parts(), "KHR_gaussian_splatting:"
    low, high = splats.positions.min(axis=0).tolist(), splats.positions.max(axis=0).tolist()
    opacities = np.full((len(splats.positions), 1), OPACITY, np.float32)
    attributes = {
        "POSITION": parts.accessor(splats.positions, FLOAT, "VEC3", min=low, max=high),
        "COLOR_0": parts.accessor(light_of(splats.colours), FLOAT, "VEC3"),
        f"{prefix}ROTATION": parts.accessor(splats.rotations, FLOAT, "VEC4"),
        f"{prefix}SCALE": parts.accessor(splats.scales, FLOAT, "VEC3"),
        f"{prefix}OPACITY": parts.accessor(opacities, FLOAT, "SCALAR"),
        f"{prefix}SH_DEGREE_0_COEF_0": parts.accessor(_harmonics(splats), FLOAT, "VEC3"),
    }
    extension = {"KHR_gaussian_splatting": {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}}
    document = {
        "extensionsUsed": ["KHR_gaussian_splatting"],
        "nodes": [{"mesh": 0, "name": "splats"}],
        "meshes": [{"primitives": [{"mode": 0, "attributes": attributes, "extensions": extension}]}],
    }
    return glb(document, parts, facts)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float64] = vectors / np.maximum(length, 1e-12)
    return unit


def _quaternions(axes: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the unit quaternions of rotation matrices, (N, 3, 3)."""
    from scipy.spatial.transform import Rotation

    quaternions: NDArray[np.float32] = Rotation.from_matrix(axes).as_quat().astype(np.float32)
    return quaternions


def _harmonics(splats: Splats) -> NDArray[np.float32]:
    """Return the coefficients of the constant spherical harmonic: half a unit of it is added when it is drawn."""
    coefficients: NDArray[np.float32] = ((splats.colours / 255 - 0.5) / HARMONIC_0).astype(np.float32)
    return coefficients
