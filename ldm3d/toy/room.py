"""A furnished room that can be seen exactly from anywhere: the truth that views of a panorama are measured by.

Axes are those of `ldm3d.immersive.sphere`, lengths are in metres. The room is a box around the origin with a pattern
of squares on each side, four balls and three pillars.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.sphere import directions

HALF = np.array([3.0, 1.5, 3.5])  # of the room's sides
SIDES = np.array([[200, 180, 150], [140, 120, 110], [150, 170, 190]], np.float64)  # colours across x, y and z
TO_LIGHT = np.array([0.4, 0.8, 0.45])
SQUARE = 0.5

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ball:
    """A sphere with a pattern of fields."""

    centre: tuple[float, float, float]
    radius: float
    colour: tuple[int, int, int]

    def meet(self, origins: Array, rays: Array) -> Array:
        """Return how far along unit rays the ball is; infinity where they miss it."""
        apart = origins - np.array(self.centre)
        along = (apart * rays).sum(-1)
        inside = along**2 - (apart**2).sum(-1) + self.radius**2
        return _in_front(-along - np.sqrt(np.maximum(inside, 0)), inside)

    def shade(self, points: Array) -> Array:
        """Return the colours of points on it, (..., 3), 0 to 255."""
        normal = (points - np.array(self.centre)) / self.radius
        light = np.clip(normal @ TO_LIGHT, 0, 1) * 0.7 + 0.3
        around, up = np.arctan2(normal[..., 0], normal[..., 2]), normal[..., 1]
        colours: Array = np.array(self.colour) * (light * (0.75 + 0.25 * _is_odd(around * 4, up * 5)))[..., None]
        return colours


@dataclass(frozen=True)
class Pillar:
    """A round pillar from floor to ceiling, with rings."""

    x: float
    z: float
    radius: float

    def meet(self, origins: Array, rays: Array) -> Array:
        """Return how far along unit rays the pillar is; infinity where they miss it."""
        apart, flat = origins[..., ::2] - (self.x, self.z), rays[..., ::2]
        square = (flat**2).sum(-1) + 1e-12
        along = (apart * flat).sum(-1)
        inside = along**2 - square * ((apart**2).sum(-1) - self.radius**2)
        return _in_front((-along - np.sqrt(np.maximum(inside, 0))) / square, inside)

    def shade(self, points: Array) -> Array:
        """Return the colours of points on it, (..., 3), 0 to 255."""
        colours: Array = np.array([180.0, 90.0, 200.0]) * (0.7 + 0.3 * _is_odd(points[..., 1] * 4))[..., None]
        return colours


THINGS: tuple[Ball | Pillar, ...] = (
    Ball((1.2, -0.2, -1.6), 0.5, (230, 70, 60)),
    Ball((-1.5, 0.3, -1.0), 0.4, (70, 170, 230)),
    Ball((0.1, -0.4, 1.5), 0.45, (250, 200, 60)),
    Ball((-0.4, 0.9, -2.2), 0.3, (120, 220, 120)),
    Pillar(0.9, -2.6, 0.15),
    Pillar(-2.0, 1.8, 0.2),
    Pillar(2.2, 2.0, 0.2),
)


def look(
    origins: NDArray[np.floating], rays: NDArray[np.floating], things: Sequence[Ball | Pillar] = THINGS
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return what is seen along rays.

    Args:
        origins: (..., 3) inside the room, of the rays' shape or one for all.
        rays: (..., 3) of any length but 0.
        things: that stand in the room.

    Returns:
        The picture, (..., 3) uint8, and the distances along the rays in metres, (...).
    """
    unit = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float64)
    starts = np.broadcast_to(origins, unit.shape).astype(np.float64)
    picture, distance = _walls(starts, unit)
    for thing in things:
        found = thing.meet(starts, unit)
        is_nearer = found < distance
        points = starts + np.where(is_nearer, found, 0)[..., None] * unit
        picture = np.where(is_nearer[..., None], thing.shade(points), picture)
        distance = np.where(is_nearer, found, distance)
    return np.clip(picture, 0, 255).astype(np.uint8), distance


def panorama(height: int, things: Sequence[Ball | Pillar] = THINGS) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the room as seen from the origin: picture (H, 2 H, 3) uint8 and distances (H, 2 H) in metres."""
    return look(np.zeros(3), directions(height, 2 * height), things)


def _walls(origins: Array, rays: Array) -> tuple[Array, Array]:
    with np.errstate(divide="ignore", invalid="ignore"):
        each = (np.sign(rays) * HALF - origins) / rays
    each = np.where(each > 0, each, np.inf)
    side, distance = each.argmin(-1), each.min(-1)
    points = origins + distance[..., None] * rays
    first, second = (np.where(side == axis, points[..., 2], points[..., axis]) for axis in (0, 1))
    light = 0.7 + 0.3 * _is_odd(first / SQUARE, second / SQUARE)
    towards = np.sign(np.take_along_axis(rays, side[..., None], -1))  # opposite sides differ
    return SIDES[side] * light[..., None] * (0.85 + 0.15 * towards), distance


def _is_odd(*numbers: Array) -> NDArray[np.int64]:
    """Return 1 in every second field of a pattern."""
    fields: NDArray[np.int64] = np.sum([np.floor(each) for each in numbers], axis=0).astype(np.int64)
    return fields & 1


def _in_front(distance: Array, inside: Array) -> Array:
    return np.where((inside > 0) & (distance > 1e-4), distance, np.inf)
