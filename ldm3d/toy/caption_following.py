"""How well pictures show what captions of scenes say: sky, floor and the colour of each object, from pixels alone.

The camera of all scenes is the same, so that it is known where to look: the topmost rows are sky, the lowest floor,
and an object stands in the middle or two stand left and right of it. Measured on renderings instead of samples, sky,
floor and all objects come out right.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm3d.toy.scenes import COLOURS, EYE, FLOOR_END, FLOORS, FOCAL, SKIES, Scene

SKY_ROWS = 0.1  # of a picture's height, from the top: no object reaches so high
FLOOR_ROWS = 0.06  # from the bottom: none is so near
FURTHEST = (-0.55, -0.05)  # image plane heights between which every object has most of its pixels below the horizon
SLOTS = {1: ((-0.3, 0.3),), 2: ((-0.75, -0.15), (0.15, 0.75))}  # columns, by how many objects there are
NEAR_FLOOR = 30.0  # distance of colours, of 255, up to which a pixel is taken for floor
LIGHT, DARK = 1.0, 0.65  # tiles of the floor

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Agreement:
    """Shares of pictures, or of objects in them, that are as their captions say."""

    sky: float
    floor: float
    objects: float


def agreement(images: Sequence[Image], scenes: Sequence[Scene]) -> Agreement:
    """Pictures against the scenes whose captions they were drawn from.

    Args:
        images: N, each S x S x 3 uint8 RGB.
        scenes: N.
    """
    skies = [sky_of(image) == scene.sky for image, scene in zip(images, scenes, strict=True)]
    floors = [floor_of(image) == scene.floor for image, scene in zip(images, scenes, strict=True)]
    objects = [
        seen == solid.colour
        for image, scene in zip(images, scenes, strict=True)
        for seen, solid in zip(objects_of(image, len(scene.objects)), scene.objects, strict=True)
    ]
    return Agreement(*(float(np.mean(each)) for each in (skies, floors, objects)))


def sky_of(image: Image) -> str:
    """The name in SKIES that the topmost rows are nearest to."""
    rows = image[: max(1, round(SKY_ROWS * len(image)))]
    return _nearest(rows.mean((0, 1)), {name: np.array(colour) for name, colour in SKIES.items()})


def floor_of(image: Image) -> str:
    """The name in FLOORS that the lowest rows have the hue of."""
    rows = image[-max(1, round(FLOOR_ROWS * len(image))) :]
    return _nearest_hue(rows.mean((0, 1)), FLOORS)


def objects_of(image: Image, count: int) -> list[str]:
    """The names in COLOURS that most pixels have where objects stand, left to right; floor does not count.

    Args:
        count: 1 or 2 objects.
    """
    size, floor, sky = len(image), floor_of(image), sky_of(image)
    centres = (np.arange(size) + 0.5) / size * 2 - 1
    heights = -centres
    rows = np.flatnonzero((heights > FURTHEST[0]) & (heights < FURTHEST[1]))
    found = []
    for low, high in SLOTS[count]:
        columns = np.flatnonzero((centres > low) & (centres < high))
        pixels = (
            image[row, column].astype(float)
            for row in rows
            for column in columns
            if not _is_floor(image[row, column].astype(float), heights[row], floor, sky)
        )
        found.append(_most_voted(pixels, [name for name in COLOURS if name != floor]))
    return found


def _is_floor(pixel: NDArray[np.float64], height: float, floor: str, sky: str) -> bool:
    """Whether it is between the colours of a light and a dark tile, as far away as this height is."""
    haze = min(EYE[1] * FOCAL / -height, FLOOR_END) / FLOOR_END
    light, dark = (
        tile * np.array(COLOURS[floor]) * (1 - haze) + np.array(SKIES[sky]) * haze for tile in (LIGHT, DARK)
    )
    along = np.clip((pixel - dark) @ (light - dark) / ((light - dark) @ (light - dark)), 0, 1)
    return bool(np.linalg.norm(pixel - dark - along * (light - dark)) < NEAR_FLOOR)


def _most_voted(pixels: Iterable[NDArray[np.float64]], names: Sequence[str]) -> str:
    votes = Counter(_nearest_hue(pixel, names) for pixel in pixels)
    return votes.most_common(1)[0][0] if votes else ""


def _nearest_hue(colour: NDArray[np.float64], names: Sequence[str]) -> str:
    """By direction: shading multiplies a colour."""
    unit = {name: np.array(COLOURS[name]) / np.linalg.norm(COLOURS[name]) for name in names}
    return _nearest(colour / max(float(np.linalg.norm(colour)), 1e-9), unit)


def _nearest(colour: NDArray[np.float64], named: dict[str, NDArray[np.float64]]) -> str:
    return min(named, key=lambda name: float(np.linalg.norm(colour - named[name])))
