"""A plain with cubes and spheres all around, like the toy's scenes, that can be seen exactly from anywhere.

Axes are those of `ldm3d.immersive.sphere`, lengths are in metres: the floor lies `HEIGHT` below the origin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.sphere import directions
from ldm3d.toy.scenes import AMBIENT, COLOURS, FLOOR_END, FOCAL, SKIES, TO_LIGHT, Solid

HEIGHT = 1.0
TURN = 0.2  # radians by which the tiles of the floor lie across the seam, where otherwise an edge of theirs would be

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plain:
    """What is seen."""

    sky: str
    """A name in SKIES."""
    floor: str
    """A name in COLOURS."""
    solids: tuple[Solid, ...]
    """At x and z, which is towards the viewer, on the floor."""

    def look(
        self, origins: NDArray[np.floating], rays: NDArray[np.floating]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return what is seen along rays.

        Args:
            origins: (..., 3) above the floor, of the rays' shape or one for all.
            rays: (..., 3) of any length but 0.

        Returns:
            The picture, (..., 3) uint8, and the distances along the rays in metres, (...), infinity in the sky.
        """
        unit = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float64)
        starts = np.broadcast_to(origins, unit.shape).astype(np.float64)
        picture, distance = self._ground(starts, unit)
        for solid in self.solids:
            found, brightness = (_sphere if solid.shape == "sphere" else _cube)(solid, starts, unit)
            is_nearer = found < distance
            picture = np.where(is_nearer[..., None], brightness[..., None] * COLOURS[solid.colour], picture)
            distance = np.where(is_nearer, found, distance)
        return np.clip(np.round(picture), 0, 255).astype(np.uint8), distance

    def panorama(self, height: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return it as seen from the origin: picture (H, 2 H, 3) uint8 and distances (H, 2 H) in metres."""
        return self.look(np.zeros(3), directions(height, 2 * height))

    def _ground(self, starts: Array, unit: Array) -> tuple[Array, Array]:
        """Return sky and floor, which fades into the sky."""
        flat = np.hypot(unit[..., 0], unit[..., 2])
        rise = np.clip(FOCAL * unit[..., 1] / np.maximum(flat, 1e-9), -1, 1)
        sky = (0.85 + 0.15 * rise)[..., None] * SKIES[self.sky]
        along = (starts[..., 1] + HEIGHT) / np.maximum(-unit[..., 1], 1e-9)
        points = starts + along[..., None] * unit
        x = points[..., 0] * np.cos(TURN) + points[..., 2] * np.sin(TURN)
        z = points[..., 2] * np.cos(TURN) - points[..., 0] * np.sin(TURN)
        haze = np.minimum(along * flat / FLOOR_END, 1)[..., None]
        tiles = 0.65 + 0.35 * ((np.floor(x) + np.floor(z)) % 2)
        colour = tiles[..., None] * COLOURS[self.floor] * (1 - haze) + np.array(SKIES[self.sky]) * haze
        is_floor = (unit[..., 1] < 0) & (along * flat < FLOOR_END)
        return np.where(is_floor[..., None], colour, sky), np.where(is_floor, along, np.inf)


def _sphere(solid: Solid, starts: Array, unit: Array) -> tuple[Array, Array]:
    """Return distance, infinity where a ray misses, and brightness."""
    centre = np.array([solid.x, solid.radius - HEIGHT, solid.z])
    apart = starts - centre
    along = (apart * unit).sum(-1)
    inside = along**2 - (apart**2).sum(-1) + solid.radius**2
    distance = -along - np.sqrt(np.maximum(inside, 0))
    normal = (apart + distance[..., None] * unit) / solid.radius
    return np.where((inside > 0) & (distance > 0), distance, np.inf), _lit(normal)


def _cube(solid: Solid, starts: Array, unit: Array) -> tuple[Array, Array]:
    """Return distance, infinity where a ray misses, and brightness: it enters the last of three slabs first."""
    centre = np.array([solid.x, solid.radius - HEIGHT, solid.z])
    step = np.where(unit == 0, 1e-12, unit)
    low, high = (centre - solid.radius - starts) / step, (centre + solid.radius - starts) / step
    enters, leaves = np.minimum(low, high), np.maximum(low, high).min(-1)
    side, distance = enters.argmax(-1), enters.max(-1)
    normal = np.eye(3)[side] * -np.sign(np.take_along_axis(unit, side[..., None], -1))
    return np.where((distance < leaves) & (distance > 0), distance, np.inf), _lit(normal)


def _lit(normal: Array) -> Array:
    """Return the brightness in [0, 1] of a matt surface; the light comes from behind the viewer, as in the scenes."""
    to_light = np.array(TO_LIGHT) * (1, 1, -1)  # whose z leads away from the viewer
    return np.asarray(AMBIENT + (1 - AMBIENT) * np.clip(normal @ to_light, 0, 1))


EXAMPLE = Plain(
    "day",
    "white",
    (
        Solid("red", "sphere", 0.4, -1.9, 0.6),
        Solid("blue", "cube", 2.0, -0.6, 0.5),
        Solid("yellow", "sphere", 1.3, 1.7, 0.6),
        Solid("green", "cube", -1.3, 1.6, 0.5),
        Solid("orange", "sphere", -1.9, -0.2, 0.55),
        Solid("purple", "cube", -1.6, -1.7, 0.5),
        Solid("cyan", "sphere", 3.4, -3.6, 0.8),
        Solid("red", "cube", -4.4, 1.6, 0.8),
    ),
)
