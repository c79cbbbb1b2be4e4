"""Paths of the eye, within reach of where the picture was seen from.

Away from there things come into sight that the picture never saw. How many depends on how far one goes, measured by
the distance of what is nearest: within the head box it is a few in a hundred pixels.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.camera import Camera, PerspectiveCamera

Path = Literal["circle", "sway", "line", "dolly", "spiral", "turn"]
PATHS = ("circle", "sway", "line", "dolly", "spiral", "turn")
REACH = 0.15
"""Half a side of the head box, as a share of the nearest distance."""


def head_box(nearest: float) -> float:
    """Return half a side of the box around the origin in which an eye may be, in metres.

    Args:
        nearest: distance of what is nearest, in metres.

    Raises:
        ValueError: that is not above 0.
    """
    if not 0 < nearest < np.inf:
        raise ValueError(f"the nearest distance is {nearest}, wanted metres above 0")
    return REACH * nearest


def trajectory(
    path: Path, camera: Camera, frames: int, nearest: float, amplitude: float | None = None
) -> list[Camera]:
    """Return the cameras of a film.

    Paths, along the axes of the first camera:
        circle: around its place, facing the same way.
        sway: to the right, to the left and back.
        line: from the left to the right. The only one that does not end where it began.
        dolly: ahead and back.
        spiral: twice around, away from its place and ahead, and back.
        turn: its gaze goes once around; with less than 360 degrees to the right, to the left and back.

    Films of the others loop: the frame after the last one would be the first.

    Args:
        path: one of these.
        camera: what is moved.
        frames: at least 1.
        nearest: distance of what is nearest, in metres; see `head_box`.
        amplitude: how far from its place the path leads, in metres; as far as the head box reaches by default, and
            never farther. For `turn` the degrees between the utmost gazes, up to 360, which is the default.

    Raises:
        ValueError: there is no such path, a setting is out of its range, the camera is outside the head box, or a
            panorama should turn.
    """
    if path not in PATHS:
        raise ValueError(f"path is {path!r}, wanted one of {', '.join(PATHS)}")
    if frames < 1:
        raise ValueError(f"frames is {frames}, wanted 1 or more")
    if path == "turn":
        return _turn(camera, frames, amplitude)
    box = head_box(nearest)
    left_over = box - max(abs(each) for each in camera.position)
    if left_over < 0:
        raise ValueError(
            f"the camera is at {camera.position}, wanted a place within {box:g} m of the origin along each axis "
            f"({REACH:g} of the nearest distance)"
        )
    if amplitude is not None and not amplitude >= 0:
        raise ValueError(f"amplitude is {amplitude}, wanted metres from 0")
    reach = left_over if amplitude is None else min(amplitude, left_over)
    axes = camera.axes if isinstance(camera, PerspectiveCamera) else np.eye(3)
    places = np.array(camera.position) + reach * _offsets(path, frames) @ axes
    return [replace(camera, position=(float(x), float(y), float(z))) for x, y, z in np.clip(places, -box, box)]


def _offsets(path: str, frames: int) -> NDArray[np.float64]:
    """Return places in a ball of radius 1, (frames, 3): to the right, up and backwards."""
    angle = np.arange(frames) / frames * 2 * np.pi
    zero, out = np.zeros(frames), (1 - np.cos(angle)) / 2
    columns = {
        "circle": (np.cos(angle), np.sin(angle), zero),
        "sway": (np.sin(angle), zero, zero),
        "line": (np.linspace(-1, 1, frames) if frames > 1 else zero, zero, zero),
        "dolly": (zero, zero, -out),
        "spiral": (out * np.cos(2 * angle) / 2**0.5, out * np.sin(2 * angle) / 2**0.5, -out / 2**0.5),
    }
    return np.stack(columns[path], axis=1)


def _turn(camera: Camera, frames: int, amplitude: float | None) -> list[Camera]:
    if not isinstance(camera, PerspectiveCamera):
        raise ValueError("a panorama has no gaze to turn: wanted another path, or a perspective camera")
    degrees = 360.0 if amplitude is None else amplitude
    if not 0 <= degrees <= 360:
        raise ValueError(f"amplitude is {degrees}, wanted 0 to 360 degrees")
    share = np.arange(frames) / frames
    yaws = degrees * share if degrees == 360 else degrees / 2 * np.sin(2 * np.pi * share)
    return [replace(camera, yaw=camera.yaw + float(yaw)) for yaw in yaws]
