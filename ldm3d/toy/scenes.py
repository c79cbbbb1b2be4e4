"""Procedural scenes: one or two coloured cubes and spheres on a checkered floor, each with a caption and exact depth.

Units are metres: x to the right, y up, z away from the camera, the floor at y = 0. The pinhole camera stands at `EYE`
and looks along z; its square image plane spans -1 to 1 at distance `FOCAL`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

EYE = (0.0, 1.0, -3.0)
FOCAL = 1.6
FLOOR_END = 30.0  # metres of depth at which the floor has faded into the sky
AMBIENT = 0.35
TO_LIGHT = tuple(np.array([0.5, 0.8, -0.4]) / np.linalg.norm([0.5, 0.8, -0.4]))

COLOURS = {
    "red": (220, 50, 47),
    "green": (60, 180, 75),
    "blue": (40, 90, 220),
    "yellow": (240, 220, 60),
    "purple": (150, 60, 190),
    "orange": (245, 140, 40),
    "white": (235, 235, 235),
    "cyan": (60, 200, 210),
}
FLOORS = ("green", "white", "orange")
SKIES = {"day": (150, 195, 240), "dusk": (230, 150, 110), "night": (25, 30, 60)}
SHAPES: tuple[Literal["sphere", "cube"], ...] = ("sphere", "cube")

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Solid:
    """A sphere or an axis-aligned cube that rests on the floor."""

    colour: str
    """A name in COLOURS."""
    shape: Literal["sphere", "cube"]
    x: float
    """Of the centre, in metres, as is `z`."""
    z: float
    radius: float
    """Of the sphere, or half the edge of the cube, in metres."""

    def __str__(self) -> str:
        return f"{_with_article(self.colour)} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """What a picture shows."""

    sky: str
    """A name in SKIES."""
    floor: str
    """A name in FLOORS."""
    objects: tuple[Solid, ...]
    """One or two, from left to right in the picture, which is also their order in the caption."""

    @classmethod
    def from_seed(cls, seed: int) -> "Scene":
        """Return scene number `seed` (0 or more), the same on every machine."""
        rng = np.random.Generator(np.random.PCG64(seed))
        sky, floor = _pick(rng, tuple(SKIES)), _pick(rng, FLOORS)
        places = _pick(rng, ((0.0,), (-0.9, 0.9)))
        palette = [colour for colour in COLOURS if colour != floor]
        order = rng.permutation(len(palette))
        solids = [_solid(rng, palette[order[index]], x) for index, x in enumerate(places)]
        return cls(sky, floor, tuple(solids))

    @property
    def caption(self) -> str:
        """For example "a red sphere next to a blue cube on a white floor at dusk"."""
        time = "by day" if self.sky == "day" else f"at {self.sky}"
        return f"{' next to '.join(map(str, self.objects))} on {_with_article(self.floor)} floor {time}"


class Rendering(NamedTuple):
    """A picture of a scene."""

    image: NDArray[np.uint8]
    """(S, S, 3) uint8 [0, 255], RGB."""
    inverse_depth: NDArray[np.float32]
    """(S, S) float32, 1 / z in 1/metre at the pixel's centre, z along the camera's axis; larger = nearer, 0 = sky."""


def render(scene: Scene, size: int, samples: int = 3) -> Rendering:
    """Ray-cast `scene` at `size` x `size` pixels.

    Args:
        size: side in pixels.
        samples: rays per pixel and axis whose colours are averaged, an odd number: the middle one, through the pixel's
            centre, gives the depth, which is never averaged.

    Raises:
        ValueError: `samples` is even.
    """
    if samples % 2 == 0:
        raise ValueError(f"samples is {samples}, wanted an odd number: one ray must go through the pixel's centre")
    centres = (np.arange(size * samples) + 0.5) / (size * samples) * 2 - 1
    # A ray is EYE + z * (dx, dy, 1): its parameter is the depth itself. A row of dx and a column of dy broadcast.
    dx, dy = centres[None, :] / FOCAL, -centres[:, None] / FOCAL
    colour, depth = _sky(scene.sky, dx, dy), np.full((len(centres), len(centres)), np.inf)
    _paint(depth, colour, *_floor(scene, dx, dy))
    for solid in scene.objects:
        cast = _sphere if solid.shape == "sphere" else _cube
        solid_depth, brightness = cast(solid, dx, dy)
        _paint(depth, colour, solid_depth, brightness * _rgb(COLOURS[solid.colour]))
    # the mean over the rays of each pixel
    total = np.zeros((3, size, size))
    for row, column in np.ndindex(samples, samples):
        total += colour[:, row::samples, column::samples]
    image = np.moveaxis((total / samples**2).round().astype(np.uint8), 0, -1)
    middle = slice(samples // 2, None, samples)
    return Rendering(np.ascontiguousarray(image), (1 / depth[middle, middle]).astype(np.float32))


def exact_depth(inverse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale inverse depth to [0, 1] within its image, like labels: the exact value of the corpus's depth / 65,535.

    (..., S, S) float32 -> (..., S, S) float32; an image of constant depth becomes 0.
    """
    low = inverse_depth.min(axis=(-2, -1), keepdims=True)
    span = inverse_depth.max(axis=(-2, -1), keepdims=True) - low
    scaled: NDArray[np.float32] = (inverse_depth - low) / np.where(span > 0, span, 1)
    return scaled


def _with_article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _solid(rng: np.random.Generator, colour: str, x: float) -> Solid:
    shape = _pick(rng, SHAPES)
    radius = rng.uniform(0.45, 0.8) * (0.85 if shape == "cube" else 1.0)  # a cube looks larger than its sphere
    return Solid(colour, shape, x + rng.uniform(-0.2, 0.2), rng.uniform(-0.3, 2.0), radius)


def _paint(depth: Plane, colour: Plane, new_depth: Plane, new_colour: Plane) -> None:
    """Paint a layer over what it hides; its depth is inf where it has no surface."""
    nearer = new_depth < depth
    np.copyto(depth, new_depth, where=nearer)
    np.copyto(colour, new_colour, where=nearer)


def _rgb(colour: tuple[int, int, int]) -> Plane:
    """Return (3, 1, 1), channels first like every layer: numpy's inner loop then runs along a row of pixels."""
    return np.array(colour, np.float64)[:, None, None]


def _sky(sky: str, dx: Plane, dy: Plane) -> Plane:
    """Return (3, N, N) colours in [0, 255], lighter towards the zenith."""
    return (0.7 + 0.15 * (1 + FOCAL * dy) + 0 * dx) * _rgb(SKIES[sky])


def _floor(scene: Scene, dx: Plane, dy: Plane) -> tuple[Plane, Plane]:
    """Return depth (N, 1), inf above the floor's end, and (3, N, N) colours in [0, 255] of the plane y = 0."""
    z = np.minimum(-EYE[1] / np.minimum(dy, -1e-9), FLOOR_END)
    light_tile = (np.floor(EYE[0] + z * dx) + np.floor(EYE[2] + z)) % 2
    haze = z / FLOOR_END
    colour = (0.65 + 0.35 * light_tile) * _rgb(COLOURS[scene.floor]) * (1 - haze) + _rgb(SKIES[scene.sky]) * haze
    return np.where(z < FLOOR_END, z, np.inf), colour


def _sphere(solid: Solid, dx: Plane, dy: Plane) -> tuple[Plane, Plane]:
    """Return depth, inf where the ray misses, and brightness, (N, N).

    Depth is the nearer root of |EYE + z d - centre| = radius.
    """
    to_eye = np.subtract(EYE, (solid.x, solid.radius, solid.z))
    a = dx**2 + dy**2 + 1
    half_b = dx * to_eye[0] + dy * to_eye[1] + to_eye[2]
    discriminant = half_b**2 - a * (to_eye @ to_eye - solid.radius**2)
    z = (-half_b - np.sqrt(np.maximum(discriminant, 0))) / a
    x_normal, y_normal, z_normal = to_eye[0] + z * dx, to_eye[1] + z * dy, to_eye[2] + z
    brightness = _lambert(x_normal / solid.radius, y_normal / solid.radius, z_normal / solid.radius)
    return np.where(discriminant > 0, z, np.inf), brightness


def _cube(solid: Solid, dx: Plane, dy: Plane) -> tuple[Plane, Plane]:
    """Return depth, inf where the ray misses, and brightness, (N, N).

    A ray hits the cube if it enters the last of its three slabs before leaving any.
    """
    x_in, x_out = _slab(solid.x - EYE[0], solid.radius, dx)
    y_in, y_out = _slab(solid.radius - EYE[1], solid.radius, dy)
    z_in, z_out = _slab(solid.z - EYE[2], solid.radius, np.ones((1, 1)))
    z = np.maximum(np.maximum(x_in, y_in), z_in)
    hit = z < np.minimum(np.minimum(x_out, y_out), z_out)
    side, top, front = _lambert(-np.sign(dx), 0, 0), _lambert(0, -np.sign(dy), 0), _lambert(0, 0, -1)
    return np.where(hit, z, np.inf), np.where(z == x_in, side, np.where(z == y_in, top, front))


def _slab(centre: float, radius: float, direction: Plane) -> tuple[Plane, Plane]:
    """Return where rays from 0 enter and leave the slab of points within `radius` of `centre`, along one axis."""
    direction = np.where(direction == 0, 1e-12, direction)  # a ray along the slab is nearly always inside, or never
    low, high = (centre - radius) / direction, (centre + radius) / direction
    return np.minimum(low, high), np.maximum(low, high)


def _lambert(x: Any, y: Any, z: Any) -> Any:
    """Return the brightness in [0, 1] of a matt surface with unit normal (x, y, z); arrays or numbers."""
    cosine = x * TO_LIGHT[0] + y * TO_LIGHT[1] + z * TO_LIGHT[2]
    return AMBIENT + (1 - AMBIENT) * np.clip(cosine, 0.0, 1.0)
