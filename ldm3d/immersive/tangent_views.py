"""Tangent views: perspective pictures that cover a panorama and overlap, for networks that know perspective alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.compiling import compiled
from ldm3d.immersive import sphere
from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.view_alignment import Seen

Count = Literal[6, 12, 20]
LEAST_FOV = {6: 100, 12: 78, 20: 78}
"""Degrees. Below 90 of a cube, and 75 of the others, there are gaps; the rest is overlap."""
MOST_FOV = 120  # beyond, pictures are stretched as no network has seen them


@dataclass(frozen=True)
class TangentViews:
    """Square views towards the sides of a cube or the corners of a regular solid, upright.

    The defaults were measured on an exact room. Networks know pictures of 60 to 80 degrees, and err more towards the
    corners of wider ones: with a fault that grows with the square of the tangent, to a fifth at the corners of 80
    degrees, AbsRel was 1.3 % with 12 views of 80 degrees, 1.5 % with 12 of 90, 1.3 % with 20 of 80, and 2.2 to 11 %
    with a cube's 6. With a fault that is alike everywhere it was 5.3 % with a cube's, and 6 % with the others.
    """

    count: Count = 12
    """6 look towards the sides of a cube, 12 and 20 towards the corners of an icosahedron and of a dodecahedron."""
    fov: float = 80.0
    """Angle of view, in degrees."""
    size: int = 384
    """Side in pixels."""

    def __post_init__(self) -> None:
        if self.count not in LEAST_FOV:
            raise ValueError(f"count is {self.count}, wanted {', '.join(map(str, LEAST_FOV))} views")
        if not LEAST_FOV[self.count] <= self.fov <= MOST_FOV:
            raise ValueError(
                f"fov is {self.fov}, wanted {LEAST_FOV[self.count]} to {MOST_FOV} degrees: narrower views, of which "
                f"there are {self.count}, hardly overlap, and wider ones are stretched"
            )
        if self.size < 2:
            raise ValueError(f"size is {self.size}, wanted pixels along a view's side, 2 or more")

    @cached_property
    def cameras(self) -> tuple[PerspectiveCamera, ...]:
        """The views, as cameras in the middle of the panorama."""
        return tuple(
            PerspectiveCamera(self.size, self.size, self.fov, yaw=yaw, pitch=pitch)
            for yaw, pitch in _towards(self.count)
        )

    def cut(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut the views out of a panorama, (H, 2 H, 3) uint8 -> (N, size, size, 3) uint8.

        A panorama that is finer than the views is averaged to their resolution first.

        Raises:
            ValueError: the picture is no panorama.
        """
        import cv2

        height, width = picture.shape[:2]
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"the picture is {picture.shape} {picture.dtype}, wanted (height, width, 3) uint8")
        sphere.check_panorama(height, width)
        enough = int(np.ceil(np.pi * self.cameras[0].focal))  # rows, as dense as the middle of a view
        coarse: Any = picture
        if height > enough:
            coarse = cv2.resize(picture, (2 * enough, enough), interpolation=cv2.INTER_AREA)
        return np.stack([_seen(coarse, camera.rays()) for camera in self.cameras])

    def look_up(self, maps: NDArray[np.floating], rays: NDArray[np.floating]) -> Seen:
        """Look up directions in a map of each view, bilinearly.

        Args:
            maps: (N, size, size), of the views.
            rays: (P, 3), unit vectors.

        Raises:
            ValueError: the maps have another shape.
        """
        if maps.shape != (self.count, self.size, self.size):
            raise ValueError(f"maps are {maps.shape}, wanted {(self.count, self.size, self.size)}: one for each view")
        axes = np.stack([camera.axes for camera in self.cameras])
        found = np.zeros((3, self.count, len(rays)), np.float32)
        look_up(
            np.ascontiguousarray(maps, np.float32),
            axes,
            self.cameras[0].focal,
            np.ascontiguousarray(rays, np.float64),
            found,
        )
        return Seen(*found)


def _towards(count: Count) -> list[tuple[float, float]]:
    """Return yaw and pitch of each view, in degrees."""
    poles = [(0.0, 90.0), (0.0, -90.0)]
    if count == 6:
        return poles + [(yaw, 0.0) for yaw in (0.0, 90.0, 180.0, 270.0)]
    if count == 12:
        ring = float(np.degrees(np.arctan(0.5)))
        return poles + [(36.0 * turn, ring if turn % 2 else -ring) for turn in range(10)]
    upper, lower = (float(np.degrees(np.arcsin(np.sqrt((5 + sign * 2 * np.sqrt(5)) / 15)))) for sign in (1, -1))
    return [(36.0 * turn, pitch if turn % 2 else -pitch) for pitch in (upper, lower) for turn in range(10)]


def _seen(picture: NDArray[np.uint8], rays: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return what a panorama has in some directions, bilinear. (H, 2 H, 3) and (h, w, 3) -> (h, w, 3)."""
    import cv2

    height, width = picture.shape[:2]
    over = np.roll(picture[[0, -1]], width // 2, axis=1)  # beyond a pole it goes on at the opposite longitude
    padded = np.concatenate([over[:1], picture, over[1:]])
    padded = np.concatenate([padded[:, -1:], padded, padded[:, :1]], axis=1)
    x, y, z = np.moveaxis(rays, -1, 0)
    across = (np.arctan2(x, -z) / (2 * np.pi) + 0.5) * width + 0.5  # half a pixel, and the one that was put before
    down = (0.5 - np.arctan2(y, np.hypot(x, z)) / np.pi) * height + 0.5
    places = across.astype(np.float32), down.astype(np.float32)
    return np.asarray(cv2.remap(padded, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _look_up(
    maps: NDArray[np.float32],
    axes: NDArray[np.float64],
    focal: float,
    rays: NDArray[np.float64],
    found: NDArray[np.float32],
) -> None:
    """Fill `found`, (3, N, P): value, cosine and weight."""
    count, size = maps.shape[0], maps.shape[1]
    for view in range(count):
        right, up, back = axes[view, 0], axes[view, 1], axes[view, 2]
        for place in range(rays.shape[0]):
            ray = rays[place]
            along = -(ray[0] * back[0] + ray[1] * back[1] + ray[2] * back[2])
            if along <= 0:
                continue
            x = (ray[0] * right[0] + ray[1] * right[1] + ray[2] * right[2]) / along * focal
            y = -(ray[0] * up[0] + ray[1] * up[1] + ray[2] * up[2]) / along * focal
            half = size / 2
            if abs(x) >= half or abs(y) >= half:
                continue
            column, row = min(max(x + half - 0.5, 0.0), size - 1.0), min(max(y + half - 0.5, 0.0), size - 1.0)
            left, top = min(int(column), size - 2), min(int(row), size - 2)
            right_share, low_share = column - left, row - top
            above = maps[view, top, left] * (1 - right_share) + maps[view, top, left + 1] * right_share
            below = maps[view, top + 1, left] * (1 - right_share) + maps[view, top + 1, left + 1] * right_share
            found[0, view, place] = above * (1 - low_share) + below * low_share
            found[1, view, place] = along
            found[2, view, place] = (np.cos(x / half * np.pi / 2) * np.cos(y / half * np.pi / 2)) ** 2


look_up = compiled(_look_up)
