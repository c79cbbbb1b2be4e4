"""The files of a place, each with what its numbers mean inside where the format has room for it."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ldm3d.config.exports import Format
from ldm3d.fusion.labels import labelled
from ldm3d.fusion.scene import Scene
from ldm3d.fusion.views import FILMS, write_film, write_stills
from ldm3d.immersive.depth_files import exr, kitti_png, npy, pfm
from ldm3d.immersive.glb import mesh_glb
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.mesh import mesh_of
from ldm3d.immersive.packing import rgbd, rgbd_suffix
from ldm3d.immersive.ply import mesh_ply, points_ply
from ldm3d.immersive.splats import splat_glb, splat_ply, splats_of
from ldm3d.immersive.still import png
from ldm3d.immersive.viewer.page import viewer_html

Export = Callable[[Scene, Path], dict[str, str]]
"""Writes files of a scene into a folder, and returns what each of them is."""
VIEWER = "viewer.html"


def write_viewer(scene: Scene, folder: Path) -> dict[str, str]:
    """Write the page to look around in."""
    panorama = scene.panorama
    page = viewer_html(
        panorama.picture,
        panorama.distance,
        background=scene.background,
        title=panorama.title,
        facts=labelled(scene.facts()),
        quality=min(80, scene.config.exports.quality),
        projection=panorama.projection,
    )
    (folder / VIEWER).write_text(page, encoding="utf-8")
    return {VIEWER: "a page to look around in, which needs no other file"}


def write_mesh(scene: Scene, folder: Path) -> dict[str, str]:
    """Write the mesh of the picture, and of what it hides, as GLB."""
    thinned = scene.thinned
    whole = [each.picture for each in scene.surfaces]  # a mesh may be coarser than its picture
    meshes = [
        replace(mesh_of(surface), picture=picture) for surface, picture in zip(thinned.surfaces, whole, strict=True)
    ]
    there = [mesh for mesh in meshes if len(mesh.triangles)]
    wraps = scene.panorama.projection.wraps
    (folder / "mesh.glb").write_bytes(mesh_glb(there, scene.facts(), scene.config.exports.quality, wraps=wraps))
    return {"mesh.glb": "mesh, unlit, in metres, y up; what depth means is in asset.extras"}


def write_splats(scene: Scene, folder: Path) -> dict[str, str]:
    """Write Gaussian splats, one for each pixel, as PLY and as GLB."""
    splats = splats_of(scene.thinned.surfaces[0])
    (folder / "splats.ply").write_bytes(splat_ply(splats))
    (folder / "splats.glb").write_bytes(splat_glb(splats, scene.facts()))
    return {
        "splats.ply": "Gaussian splats for viewers of such files, in metres, y down",
        "splats.glb": "the same with KHR_gaussian_splatting, y up; what depth means is in asset.extras",
    }


def write_ply(scene: Scene, folder: Path) -> dict[str, str]:
    """Write the mesh, and a point for each pixel, as PLY with colours of vertices."""
    front = scene.thinned.surfaces[0]
    (folder / "mesh.ply").write_bytes(mesh_ply(mesh_of(front), scene.facts(), wraps=scene.panorama.projection.wraps))
    (folder / "points.ply").write_bytes(points_ply(splats_of(front), scene.facts()))
    return {
        "mesh.ply": "the mesh of what is seen with a colour at each vertex, in metres, y up",
        "points.ply": "a point for each pixel, in metres, y up",
    }


def write_exr(scene: Scene, folder: Path) -> dict[str, str]:
    """Write colours and distances as EXR."""
    panorama, name = scene.panorama, f"{scene.panorama.name}.exr"
    facts = {"depthFusion": json.dumps(scene.facts()), "depthMeaning": panorama.measure}
    exr(panorama.picture, panorama.distance, folder / name, facts)
    return {name: f"R, G, B linear, and Z: {panorama.measure}, NaN where unknown"}


def write_bytes(scene: Scene, folder: Path, name: str) -> dict[str, str]:
    """Write distances alone, in one of the formats that hold nothing else."""
    make, about = DISTANCES[name]
    (folder / name).write_bytes(make(scene.panorama.distance))
    return {name: about.format(scene.panorama.measure)}


def write_rgbd(scene: Scene, folder: Path) -> dict[str, str]:
    """Write picture and depth beside each other."""
    name = f"{scene.panorama.name}{rgbd_suffix('right')}.png"
    picture = rgbd(scene.panorama.picture, scene.panorama.depth, "right")
    (folder / name).write_bytes(png(picture, Layout("flat"), scene.panorama.whole_provenance))
    return {name: "picture, and relative depth on its right: white is near; for light-field displays"}


DISTANCES = {
    "distance.npy": (npy, "float32, {}, NaN where unknown"),
    "distance.pfm": (pfm, "float32, {}, NaN where unknown"),
    "distance_kitti.png": (kitti_png, "16 bits, {}, times 256, 0 where unknown"),
}
EXPORTS: dict[Format, Export] = {
    "viewer": write_viewer,
    "mesh": write_mesh,
    "splats": write_splats,
    "ply": write_ply,
    "exr": write_exr,
    "kitti": partial(write_bytes, name="distance_kitti.png"),
    "npy": partial(write_bytes, name="distance.npy"),
    "pfm": partial(write_bytes, name="distance.pfm"),
    "rgbd": write_rgbd,
    "stills": write_stills,
    "film-360": partial(write_film, kind="film-360"),
    "film-180": partial(write_film, kind="film-180"),
    "film-flat": partial(write_film, kind="film-flat"),
    "film-3d": partial(write_film, kind="film-3d"),
}
NEEDS = {"exr": "OpenEXR", **dict.fromkeys(FILMS, "av")}
"""The module of the extra `immersive` that a format needs."""


def check_installed(formats: tuple[Format, ...]) -> None:
    """Check that what formats need is installed.

    Raises:
        ValueError: it is not.
    """
    from importlib.util import find_spec

    missing = [name for name in formats if name in NEEDS and find_spec(NEEDS[name]) is None]
    if missing:
        raise ValueError(
            f"--exports.formats {' '.join(missing)}: what writes them is not installed: pip install "
            "'ldm3d-on-ray[immersive]', or name other formats"
        )
