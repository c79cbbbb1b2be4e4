"""What is made of a result when it is asked for: pages, meshes and splats, by the code of DepthFusion."""

import gzip
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.serving.messages import Result
from pipelines.serving.problem import MISSING, Problem, ProblemError


@dataclass(frozen=True)
class Made:
    """A file that was made."""

    content: bytes
    media: str
    encoding: str | None = None
    """Content-Encoding."""


MEDIA = {
    "viewer.html": "text/html; charset=utf-8",
    "scene.glb": "model/gltf-binary",
    "splats.ply": "application/octet-stream",
}
"""What is made of depth by much work, by name."""


def kept(result: Result, name: str, *, takes_gzip: bool) -> Made | None:
    """Return a file that a result holds already; None if it is another one.

    Raises:
        ProblemError: it would be of depth, and the model draws none.
    """
    if name == "image.png":
        return Made(result.image, "image/png")
    if name == "depth.png":
        return Made(depth_of(result), "image/png")
    if name != "depth.bin":
        return None
    from ldm3d.images import decode_depth

    content = decode_depth(depth_of(result)).astype("<u2").tobytes()
    if takes_gzip:
        return Made(gzip.compress(content, 1, mtime=0), "application/octet-stream", "gzip")
    return Made(content, "application/octet-stream")


def make(result: Result, name: str) -> bytes:
    """Make one of `MEDIA`. It takes seconds, and much memory for large pictures.

    Raises:
        ProblemError: the model draws no depth.
    """
    from ldm3d.config import DepthFusionConfig, PictureConfig
    from ldm3d.fusion.exports import VIEWER, write_mesh, write_splats, write_viewer
    from ldm3d.fusion.meaning import displacement_of
    from ldm3d.fusion.panorama import Panorama
    from ldm3d.fusion.projection import projection_of
    from ldm3d.fusion.scene import Scene
    from ldm3d.images import decode_depth, decode_rgb
    from ldm3d.immersive.sphere import is_panorama

    writers: dict[str, tuple[Callable[[Scene, Path], Any], str]] = {
        "viewer.html": (write_viewer, VIEWER),
        "scene.glb": (write_mesh, "mesh.glb"),
        "splats.ply": (write_splats, "splats.ply"),
    }
    image, depth = decode_rgb(result.image), decode_depth(depth_of(result))
    around = result.panorama and is_panorama(*depth.shape)
    picture = PictureConfig(projection="360" if around else "flat")
    config = DepthFusionConfig(output="result", picture=picture)
    projection = projection_of(picture, *depth.shape)
    panorama = Panorama.of_relative(image, depth, displacement_of(config.depth), projection)
    about = {"drawn": {"prompt": result.prompt, "seed": result.facts["seed"], "model": result.model}}
    scene = Scene(replace(panorama, title=result.prompt, about=about), config)
    write, file = writers[name]
    with tempfile.TemporaryDirectory() as folder:
        write(scene, Path(folder))
        return Path(folder, file).read_bytes()


def depth_of(result: Result) -> bytes:
    """Return the depth of a result, a PNG.

    Raises:
        ProblemError: it has none.
    """
    if result.depth is None:
        message = f"{result.model} draws no depth: ask for image.png, or name a model with depth"
        raise ProblemError(Problem(MISSING, message, "no_depth"))
    return result.depth
