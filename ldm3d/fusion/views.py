"""Stills and films of a place."""

from pathlib import Path
from typing import Literal

from ldm3d.config import ViewsConfig
from ldm3d.fusion.scene import Scene
from ldm3d.immersive.camera import Camera, PerspectiveCamera, SphericalCamera
from ldm3d.immersive.film import film, frame
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.projection import Perspective
from ldm3d.immersive.still import jpeg
from ldm3d.immersive.tagging import tag
from ldm3d.immersive.trajectory import trajectory
from ldm3d.immersive.video import write_video

LARGEST = 2_048  # rows of a panorama that is drawn, unless another size is asked for
STILLS = {
    Layout("flat", "mono"): "a view, for one eye",
    Layout("flat", "side-by-side"): "the same view for two eyes, side by side",
    Layout("flat", "anaglyph"): "the same for glasses, red before the left eye",
    Layout("360", "top-bottom"): "stereo panorama, the left eye on top",
    Layout("180", "side-by-side"): "its front half for two eyes (VR180)",
}
FILMS: dict[str, tuple[Layout, str]] = {
    "film-360": (Layout("360", "top-bottom"), "stereo panorama, the left eye on top, for headsets"),
    "film-180": (Layout("180", "side-by-side"), "its front half for two eyes (VR180)"),
    "film-flat": (Layout("flat", "mono"), "a walk, for one eye"),
    "film-3d": (Layout("flat", "side-by-side"), "the same for two eyes, side by side"),
}


def write_stills(scene: Scene, folder: Path) -> dict[str, str]:
    """Write views from the picture's own place. Returns what each file is."""
    views, written = scene.config.views, {}
    for layout, about in STILLS.items():
        if scene.panorama.is_flat and layout.projection != "flat":
            continue
        picture = frame(scene.surfaces, camera_of(scene, layout.projection), layout, views.ipd, views.samples)
        name = f"view{layout.suffix}.jpg"
        content = jpeg(picture, layout, scene.provenance, scene.config.exports.quality)
        (folder / name).write_bytes(content)
        written[name] = about
    return written


def write_film(scene: Scene, folder: Path, kind: str) -> dict[str, str]:
    """Write one of `FILMS`, tagged for players. Returns what the file is."""
    views, (layout, about) = scene.config.views, FILMS[kind]
    name = f"film{layout.suffix}.mp4"
    camera = camera_of(scene, layout.projection)
    path = "sway" if scene.panorama.is_flat and views.path == "turn" else path_of(views, camera)
    cameras = trajectory(path, camera, frames_of(views), scene.panorama.near)
    frames = film(scene.surfaces, cameras, layout, views.ipd, views.samples)
    write_video(folder / name, frames, views.fps, views.codec, views.crf, threads=1)  # the same bytes on any machine
    tag(folder / name, folder / name, layout, views.ipd)
    return {name: about}


def frames_of(views: ViewsConfig) -> int:
    """Return the number of frames of a film."""
    return max(1, round(views.seconds * views.fps))


def path_of(views: ViewsConfig, camera: Camera) -> Literal["circle", "sway", "line", "dolly", "spiral", "turn"]:
    """Return the path of a camera: a panorama has no gaze to turn."""
    return "sway" if views.path == "turn" and isinstance(camera, SphericalCamera) else views.path


def camera_of(scene: Scene, projection: Literal["360", "180", "flat"]) -> Camera:
    """Return the camera of a view, at the picture's own place."""
    views, panorama = scene.config.views, scene.panorama
    if projection == "flat":
        near = min(PerspectiveCamera.near, panorama.near / 2)
        if isinstance(panorama.projection, Perspective):
            height, width = panorama.picture.shape[:2]
            columns, rows = fitted(width, height, views)
            fov = panorama.projection.aspect_fov(height, width, columns / rows)
            return PerspectiveCamera(columns, rows, fov, near=near, window=panorama.middle)
        return PerspectiveCamera(views.width, views.height, views.fov, near=near)
    rows = views.panorama_height or min(panorama.picture.shape[0], LARGEST)
    rows = max(2, rows - rows % 2)
    return SphericalCamera(2 * rows, rows, ipd=views.ipd)


def fitted(width: int, height: int, views: ViewsConfig) -> tuple[int, int]:
    """Return the size of views of a flat picture: as large as fits, of its shape, and even, as films want."""
    scale = min(views.width / width, views.height / height)
    return max(16, round(width * scale / 2) * 2), max(16, round(height * scale / 2) * 2)
