"""PLY files are read by plyfile and trimesh, at the metres and with the colours that were written."""

import io
import json

import numpy as np
import pytest
import trimesh
from plyfile import PlyData

from ldm3d.immersive.mesh import mesh_of
from ldm3d.immersive.pinhole import FOV
from ldm3d.immersive.ply import mesh_ply, points_ply
from ldm3d.immersive.projection import Perspective
from ldm3d.immersive.splats import splats_of
from ldm3d.immersive.surface import panorama_surface, surface_of
from ldm3d.toy import room

HEIGHT = 32


@pytest.fixture(scope="module")
def surface():
    return panorama_surface(*room.panorama(HEIGHT))


def test_plyfile_reads_points_at_the_distances_of_the_panorama_in_its_colours(surface):
    read = PlyData.read(io.BytesIO(points_ply(splats_of(surface), {"unit": "m"})))
    assert json.loads(read.comments[0]) == {"unit": "m"}
    points = read["vertex"]
    positions = np.stack([points[axis] for axis in "xyz"], axis=1)
    picture, distance = room.panorama(HEIGHT)
    found = np.linalg.norm(positions, axis=1)
    assert np.median(np.abs(found / distance.ravel() - 1)) < 0.01  # a pixel's middle lies on its quadrilateral
    colours = np.stack([points[name] for name in ("red", "green", "blue")], axis=1)
    np.testing.assert_array_equal(colours, picture.reshape(-1, 3))


def test_trimesh_reads_the_mesh_whose_faces_are_those_of_the_glb(surface):
    mesh = mesh_of(surface)
    read = trimesh.load(io.BytesIO(mesh_ply(mesh)), file_type="ply", process=False)
    np.testing.assert_array_equal(read.vertices, mesh.positions.astype(np.float64))
    np.testing.assert_array_equal(read.faces, mesh.triangles)
    assert read.visual.vertex_colors[:, :3].std() > 20


@pytest.mark.parametrize("wraps", [True, False])
def test_a_vertex_has_the_mean_of_the_pixels_that_meet_there(wraps):
    """On both sides of the seam of a panorama, and only of its own side in a flat picture."""
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, 0], picture[:, -1] = 200, 100
    distance = np.full((4, 8), 2.0)
    made = panorama_surface(picture, distance) if wraps else surface_of(picture, distance, Perspective(FOV))
    mesh = mesh_of(made)
    red = PlyData.read(io.BytesIO(mesh_ply(mesh, wraps=wraps)))["vertex"]["red"]
    inner = (mesh.uv[:, 1] > 0.2) & (mesh.uv[:, 1] < 0.8)
    left, right = (set(red[inner & (mesh.uv[:, 0] == side)]) for side in (0, 1))
    assert (left, right) == (({150}, {150}) if wraps else ({200}, {100}))
    assert set(red[inner & (mesh.uv[:, 0] == 0.125)]) == {100}
