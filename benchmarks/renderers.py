"""Renderers of a panorama's surfaces: ours, and two of others, each given the same triangles as a mesh.

A renderer is made of surfaces, which is its time to prepare, and draws views, (h, w, 3) uint8.
"""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.camera import Camera, PerspectiveCamera, SphericalCamera
from ldm3d.immersive.mesh import Mesh, mesh_of
from ldm3d.immersive.sphere import directions
from ldm3d.immersive.surface import Surface
from ldm3d.immersive.view import render

FAR = 50.0  # metres
LONGEST = 30_000  # rows that cv2.remap takes
Image = NDArray[np.uint8]


def ours(surfaces: Sequence[Surface]) -> Callable[[Camera], Image]:
    for surface in surfaces:
        surface.balls  # noqa: B018 - made when first asked for
    return lambda camera: render(surfaces, camera).image


def pyvista(surfaces: Sequence[Surface]) -> Callable[[Camera], Image]:
    """VTK's OpenGL, drawing off screen, in software where there is no GPU. It has no camera for stereo panoramas."""
    import pyvista as pv

    plotter = pv.Plotter(off_screen=True, lighting="none")
    plotter.set_background("black")
    plotter.disable_anti_aliasing()
    for mesh in _meshes(surfaces):
        faces = np.full((len(mesh.triangles), 4), 3, np.int64)
        faces[:, 1:] = mesh.triangles
        shape = pv.PolyData(mesh.positions, faces.ravel())
        shape.active_texture_coordinates = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=-1)
        texture = pv.Texture(mesh.picture)
        texture.interpolate, texture.repeat = True, False
        plotter.add_mesh(shape, texture=texture, lighting=False)

    def draw(camera: Camera) -> Image:
        assert isinstance(camera, PerspectiveCamera)
        plotter.window_size = [camera.width, camera.height]
        eye = plotter.camera
        eye.position, eye.up, eye.view_angle = camera.position, camera.axes[1], camera.fov
        eye.focal_point, eye.clipping_range = np.array(camera.position) - camera.axes[2], (camera.near, FAR)
        plotter.render()
        image: Image = plotter.screenshot(return_img=True)
        return image

    plotter.show(auto_close=False, interactive=False)
    return draw


def embree(surfaces: Sequence[Surface]) -> Callable[[Camera], Image]:
    """Embree's rays by embreex, trimesh's own engine, without what trimesh does around it."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    meshes = _meshes(surfaces)
    scene = rtcore_scene.EmbreeScene()
    for mesh in meshes:
        TriangleMesh(scene, mesh.positions, mesh.triangles.astype(np.int32))

    def draw(camera: Camera) -> Image:
        starts, rays = (np.ascontiguousarray(each, np.float32) for each in rays_of(camera))
        hits: Any = scene.run(starts, rays, output=1)
        image = np.zeros((len(rays), 3), np.uint8)
        for number, mesh in enumerate(meshes):
            (seen,) = np.nonzero(hits["geomID"] == number)
            corners = mesh.uv[mesh.triangles[hits["primID"][seen]]]
            u, v = hits["u"][seen, None], hits["v"][seen, None]
            image[seen] = _read(mesh.picture, corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v)
        return image.reshape(camera.height, camera.width, 3)

    return draw


def _meshes(surfaces: Sequence[Surface]) -> list[Mesh]:
    return [mesh for mesh in map(mesh_of, surfaces) if len(mesh.triangles)]


def rays_of(camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return from where and in which direction each pixel looks, (n, 3) each, row by row."""
    if isinstance(camera, PerspectiveCamera):
        rays = camera.rays().reshape(-1, 3)
        return np.broadcast_to(camera.position, rays.shape), rays
    return _stereo_eyes(camera).reshape(-1, 3), directions(camera.height, camera.width).reshape(-1, 3)


def _stereo_eyes(camera: SphericalCamera) -> NDArray[np.float64]:
    """Return where the eye is for each pixel: on its circle, smaller towards the poles."""
    longitude = ((np.arange(camera.width) + 0.5) / camera.width - 0.5) * 2 * np.pi
    latitude = np.abs((0.5 - (np.arange(camera.height) + 0.5) / camera.height) * 180)
    first, last = camera.merge
    circle = camera.offset * np.cos(np.clip((latitude - first) / (last - first), 0, 1) * np.pi / 2)[:, None]
    flat = np.zeros((camera.height, camera.width))
    return np.stack([circle * np.cos(longitude), flat, circle * np.sin(longitude)], axis=-1) + camera.position


def _read(picture: Image, places: NDArray[np.floating]) -> Image:
    """Read a picture at shares of its width and height, (n, 2), between the centres of its pixels."""
    height, width = picture.shape[:2]
    at = (places * (width, height) - 0.5).astype(np.float32)
    parts = [at[start : start + LONGEST] for start in range(0, len(at), LONGEST)]
    read = [
        cv2.remap(picture, part[:, :1], part[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP) for part in parts
    ]
    return np.concatenate(read)[:, 0] if read else np.empty((0, 3), np.uint8)
