"""Eyes: from where, and how, a surface is seen. Lengths are in metres, angles in degrees."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["left", "right"]
IPD = 0.064  # metres between the pupils of most adults
PERSPECTIVE, SPHERICAL = 0, 1


@dataclass(frozen=True)
class PerspectiveCamera:
    """A pinhole."""

    width: int = 512
    height: int = 512
    fov: float = 90.0
    """Vertical angle of view."""
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    """To the right of -z."""
    pitch: float = 0.0
    """Upwards."""
    near: float = 0.02
    """What is nearer is not drawn."""
    window: float = np.inf
    """Distance along the axis of a plane that stays in its place in the view when the camera moves to a side: the view
    is shifted against the move. Two eyes see what is there without a difference. By default, infinity, nothing is."""

    def __post_init__(self) -> None:
        _check_size(self.width, self.height)
        if not 0 < self.fov < 180:
            raise ValueError(f"fov is {self.fov}, wanted degrees above 0 and below 180")
        if not self.window > 0:
            raise ValueError(f"window is {self.window}, wanted metres above 0, or infinity")

    @property
    def axes(self) -> NDArray[np.float64]:
        """(3, 3): right, up and backwards, in rows."""
        yaw, pitch = np.radians(self.yaw), np.radians(self.pitch)
        right = np.array([np.cos(yaw), 0, np.sin(yaw)])
        ahead = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])
        return np.stack([right, np.cross(right, ahead), -ahead])

    @property
    def focal(self) -> float:
        """In pixels."""
        return float(self.height / 2 / np.tan(np.radians(self.fov) / 2))

    @property
    def shift(self) -> NDArray[np.float64]:
        """(2,): how far the view is shifted to the right and up, as tangents of angles."""
        shifted: NDArray[np.float64] = self.axes[:2] @ np.asarray(self.position) / self.window
        return shifted

    def rays(self) -> NDArray[np.float64]:
        """Return directions of the pixels' centres, (H, W, 3), of length 1 along the axis: not normalised."""
        right, up = self.shift
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal - right
        y = (self.height / 2 - np.arange(self.height) - 0.5) / self.focal - up
        local = np.stack(np.broadcast_arrays(x, y[:, None], -1.0), axis=-1)
        turned: NDArray[np.float64] = local @ self.axes
        return turned

    def moved(self, right: float) -> "PerspectiveCamera":
        """Return the same camera some metres to its right."""
        position = np.asarray(self.position) + right * self.axes[0]
        return replace(self, position=(position[0], position[1], position[2]))

    def numbers(self) -> NDArray[np.float64]:
        """Return what the rasteriser needs to know."""
        return np.array([PERSPECTIVE, *self.position, *self.axes.ravel(), self.focal, self.near, *self.shift])


@dataclass(frozen=True)
class SphericalCamera:
    """A panorama of 360 by 180 degrees; with an eye, one half of an omni-directional stereo pair (ODS).

    Each column of such a panorama is seen from where that eye is when the head looks there: from a circle as wide as
    the pupils are apart. Towards the poles the circle shrinks to a point, as no head turns around the axis through it.
    """

    width: int = 1_024
    height: int = 512
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    eye: Side | None = None
    """None sees from one point."""
    ipd: float = IPD
    merge: tuple[float, float] = field(default=(60.0, 85.0))
    """Latitudes between which the circle shrinks."""

    def __post_init__(self) -> None:
        _check_size(self.width, self.height)
        if self.eye not in (None, "left", "right"):
            raise ValueError(f"eye is {self.eye!r}, wanted 'left', 'right' or None")
        if self.ipd < 0:
            raise ValueError(f"ipd is {self.ipd}, wanted metres from 0")
        if not 0 <= self.merge[0] < self.merge[1] <= 90:
            raise ValueError(f"merge is {self.merge}, wanted two rising latitudes from 0 to 90 degrees")

    @property
    def offset(self) -> float:
        """Radius of the circle, in metres: above 0 for the right eye, below for the left one."""
        return {None: 0.0, "left": -self.ipd / 2, "right": self.ipd / 2}[self.eye]

    def numbers(self) -> NDArray[np.float64]:
        """Return what the rasteriser needs to know."""
        return np.array([SPHERICAL, *self.position, self.offset, *np.radians(self.merge)])

    def origins(self) -> NDArray[np.float64]:
        """Return where each pixel is seen from, (height, width, 3): along `ldm3d.immersive.sphere.directions`."""
        longitude = ((np.arange(self.width) + 0.5) / self.width - 0.5) * 2 * np.pi
        latitude = np.abs((0.5 - (np.arange(self.height) + 0.5) / self.height) * 180)
        low, high = self.merge
        circle = self.offset * np.cos(np.clip((latitude - low) / (high - low), 0, 1) * np.pi / 2)[:, None]
        flat = np.zeros((self.height, self.width))
        return np.stack([circle * np.cos(longitude), flat, circle * np.sin(longitude)], axis=-1) + self.position


Camera = PerspectiveCamera | SphericalCamera


def stereo(camera: Camera, ipd: float = IPD) -> tuple[Camera, Camera]:
    """Return the cameras of the left and of the right eye.

    Those of a perspective camera look in parallel; toed-in ones would move what is far in different ways.
    """
    if isinstance(camera, PerspectiveCamera):
        return camera.moved(-ipd / 2), camera.moved(ipd / 2)
    width, height, position, merge = camera.width, camera.height, camera.position, camera.merge
    return (
        SphericalCamera(width, height, position, "left", ipd, merge),
        SphericalCamera(width, height, position, "right", ipd, merge),
    )


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"the view is {width} x {height}, wanted pixels in both directions")
