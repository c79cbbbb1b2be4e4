"""Yaw is to the right, pitch upwards, and nothing is mirrored or half a pixel off: two other programs look that way.

The picture is the room's, blurred until programs that read between pixels in ways of their own read the same: by two
of its pixels. A pixel of the views is 0.3 degrees wide, not half of a panorama's. Views of the three programs are 48.5
dB or more from each other, and moved by one such pixel they have 4 dB less at least.
"""

import av
import cv2
import numpy as np
import pytest
from av.filter import Graph

from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.view import render
from ldm3d.toy import room
from tests.builders.psnr import psnr

HEIGHT = 256
EQUAL, SHIFT = 48.0, 3.0  # dB
AHEAD = [(0, 0), (30, 20), (-40, -25)]
ANYWHERE = [*AHEAD, (180, 0), (-150, 60), (90, -85)]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    sharp = room.panorama(HEIGHT)[0]
    thrice = cv2.GaussianBlur(np.concatenate([sharp] * 3, axis=1), (0, 0), 2)  # the seam is blurred as the rest is
    return np.ascontiguousarray(thrice[:, 2 * HEIGHT : 4 * HEIGHT])


@pytest.mark.parametrize(("yaw", "pitch"), AHEAD)
def test_a_view_is_that_of_ffmpeg(picture, yaw, pitch):
    """Only ahead: FFmpeg is half a pixel off at the seam and at the poles, where the room tells that we are not."""
    camera = camera_of(yaw, pitch)
    check(seen(picture, camera), by_ffmpeg(picture, camera))


@pytest.mark.parametrize(("yaw", "pitch"), ANYWHERE)
def test_a_view_is_that_of_py360convert(picture, yaw, pitch):
    py360convert = pytest.importorskip("py360convert", reason="no py360convert: pip install py360convert")
    camera = camera_of(yaw, pitch)
    fov = (h_fov(camera), camera.fov)
    theirs = py360convert.e2p(picture, fov, yaw, pitch, (camera.height, camera.width), mode="bilinear")
    check(seen(picture, camera), theirs)


def check(ours: np.ndarray, theirs: np.ndarray) -> None:
    right = psnr(ours, theirs)
    assert right > EQUAL
    inner = (slice(1, -1), slice(1, -1))
    shifted = [np.roll(theirs, step, axis) for axis in (0, 1) for step in (-1, 1)]
    for wrong in (theirs[:, ::-1], theirs[::-1], *shifted):
        assert psnr(ours[inner], wrong[inner]) < right - SHIFT


def camera_of(yaw: float, pitch: float) -> PerspectiveCamera:
    return PerspectiveCamera(240, 180, 54, yaw=yaw, pitch=pitch)


def seen(picture: np.ndarray, camera: PerspectiveCamera) -> np.ndarray:
    """Our view of a panorama without depth."""
    return render([panorama_surface(picture, np.full(picture.shape[:2], 2.0))], camera).image


def by_ffmpeg(picture: np.ndarray, camera: PerspectiveCamera) -> np.ndarray:
    """FFmpeg's view, by its filter v360."""
    graph = Graph()
    source = graph.add_buffer(width=picture.shape[1], height=picture.shape[0], format="rgb24", time_base="1/25")
    turn = f"yaw={camera.yaw}:pitch={camera.pitch}:h_fov={h_fov(camera)}:v_fov={camera.fov}"
    size = f"w={camera.width}:h={camera.height}"
    view, sink = graph.add("v360", f"input=e:output=flat:interp=linear:{turn}:{size}"), graph.add("buffersink")
    source.link_to(view)
    view.link_to(sink)
    graph.configure()
    source.push(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    return sink.pull().to_ndarray(format="rgb24")


def h_fov(camera: PerspectiveCamera) -> float:
    return float(2 * np.degrees(np.arctan(camera.width / 2 / camera.focal)))
