"""How well pictures match the captions of scenes: sky, floor and the colour of each object, from pixels alone.

All scenes have the same camera, so it is known where to look: the topmost rows are sky, the lowest are floor, and one
object stands in the middle, or two stand left and right of it. Measured on renderings instead of samples, every sky,
floor and object is recognised correctly.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm3d.toy.scenes import COLOURS, EYE, FLOOR_END, FLOORS, FOCAL, SKIES, Scene

SKY_ROWS = 0.1  # share of the height, from the top: no object reaches so high
FLOOR_ROWS = 0.06  # share of the height, from the bottom: no object is so near
FURTHEST = (-0.55, -0.05)  # heights in the image plane: most of each object below the horizon is between them
SLOTS = {1: ((-0.3, 0.3),), 2: ((-0.75, -0.15), (0.15, 0.75))}  # columns, by number of objects
NEAR_FLOOR = 30.0  # distance of colours, on a scale of 255, up to which a pixel counts as floor
LIGHT, DARK = 1.0, 0.65  # tiles of the floor

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Agreement:
    """Shares of pictures that match their captions, and of objects in them."""

    sky: float
    floor: float
    objects: float


def agreement(images: Sequence[Image], scenes: Sequence[Scene]) -> Agreement:
    """Compare pictures with the scenes whose captions they were drawn from.

    Args:
        images: N, each S x S x 3 uint8 RGB.
        scenes: N.
    """
    skies, floors, objects = [], [], []
    for image, scene in zip(images, scenes, strict=True):
        skies.append(sky_of(image) == scene.sky)
        floors.append(floor_of(image) == scene.floor)
        seen = objects_of(image, len(scene.objects))
        objects += [colour == solid.colour for colour, solid in zip(seen, scene.objects, strict=True)]
    return Agreement(float(np.mean(skies)), float(np.mean(floors)), float(np.mean(objects)))


def sky_of(image: Image) -> str:
    """Return the name in SKIES that is nearest to the topmost rows."""
    rows = image[: max(1, round(SKY_ROWS * len(image)))]
    return _nearest(rows.mean((0, 1)), {name: np.array(colour) for name, colour in SKIES.items()})


def floor_of(image: Image) -> str:
    """Return the name in FLOORS whose hue is nearest to the lowest rows."""
    rows = image[-max(1, round(FLOOR_ROWS * len(image))) :]
    return _nearest_hue(rows.mean((0, 1)), FLOORS)


def objects_of(image: Image, count: int) -> list[str]:
    """Return the most frequent name in COLOURS where each object stands, left to right, leaving out floor.

    Args:
        count: number of objects, 1 or 2.
    """
    size, floor, sky = len(image), floor_of(image), sky_of(image)
    centres = (np.arange(size) + 0.5) / size * 2 - 1
    heights = -centres
    rows = np.flatnonzero((heights > FURTHEST[0]) & (heights < FURTHEST[1]))
    found = []
    for low, high in SLOTS[count]:
        columns = np.flatnonzero((centres > low) & (centres < high))
        shown = []
        for row, column in itertools.product(rows, columns):
            pixel = image[row, column].astype(float)
            if not _is_floor(pixel, heights[row], floor, sky):
                shown.append(pixel)
        found.append(_most_voted(shown, [name for name in COLOURS if name != floor]))
    return found


def _is_floor(pixel: NDArray[np.float64], height: float, floor: str, sky: str) -> bool:
    """Whether a pixel is near a colour between those of a light and a dark tile, at the distance of its height."""
    haze = min(EYE[1] * FOCAL / -height, FLOOR_END) / FLOOR_END
    light, dark = (
        tile * np.array(COLOURS[floor]) * (1 - haze) + np.array(SKIES[sky]) * haze for tile in (LIGHT, DARK)
    )
    # distance to the line segment from dark to light
    along = np.clip((pixel - dark) @ (light - dark) / ((light - dark) @ (light - dark)), 0, 1)
    return bool(np.linalg.norm(pixel - dark - along * (light - dark)) < NEAR_FLOOR)


def _most_voted(pixels: Sequence[NDArray[np.float64]], names: Sequence[str]) -> str:
    votes = Counter(_nearest_hue(pixel, names) for pixel in pixels)
    return votes.most_common(1)[0][0] if votes else ""


def _nearest_hue(colour: NDArray[np.float64], names: Sequence[str]) -> str:
    """Compare directions, not lengths: shading multiplies a colour."""
    unit = {name: np.array(COLOURS[name]) / np.linalg.norm(COLOURS[name]) for name in names}
    return _nearest(colour / max(float(np.linalg.norm(colour)), 1e-9), unit)


def _nearest(colour: NDArray[np.float64], named: dict[str, NDArray[np.float64]]) -> str:
    return min(named, key=lambda name: float(np.linalg.norm(colour - named[name])))
