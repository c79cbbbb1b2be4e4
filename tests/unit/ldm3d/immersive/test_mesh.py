"""Meshes are closed where the surface is, open where it is torn, and seen from inside."""

import numpy as np
import pytest
import trimesh

from ldm3d.immersive.mesh import mesh_of
from ldm3d.immersive.surface import panorama_surface
from ldm3d.toy import room


@pytest.fixture(scope="module")
def sphere():
    return mesh_of(panorama_surface(np.full((32, 64, 3), 128, np.uint8), np.full((32, 64), 2.0)))


def test_a_sphere_is_watertight_and_has_its_size(sphere):
    merged = trimesh.Trimesh(sphere.positions, sphere.triangles).copy()
    merged.merge_vertices(digits_vertex=5)
    assert merged.is_watertight
    assert abs(merged.volume) == pytest.approx(4 / 3 * np.pi * 2**3, rel=0.01)
    assert merged.volume < 0  # its front is inside


def test_each_pixel_has_two_triangles_and_one_at_a_pole(sphere):
    assert len(sphere.triangles) == 2 * 30 * 64 + 2 * 64
    assert len(sphere.positions) == 31 * 65 + 2 * 64


def test_places_in_the_picture_are_where_vertices_are(sphere):
    u, v = sphere.uv.T
    is_polar = (v == 0) | (v == 1)
    x, y, z = sphere.positions[~is_polar].T
    turns = np.arctan2(x, -z) / (2 * np.pi) + 0.5 - u[~is_polar]
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-5)  # the seam is at 0 and at 1
    np.testing.assert_allclose(0.5 - np.arctan2(y, np.hypot(x, z)) / np.pi, v[~is_polar], atol=1e-5)
    assert sorted(set(u[is_polar])) == pytest.approx((np.arange(64) + 0.5) / 64)


def test_triangles_of_a_room_face_its_middle_and_things_are_apart_from_it():
    mesh = mesh_of(panorama_surface(*room.panorama(256)))
    a, b, c = (mesh.positions[mesh.triangles[:, place]] for place in range(3))
    inwards = -(np.cross(b - a, c - a) * (a + b + c)).sum(axis=1)
    assert (inwards > 0).all()
    merged = trimesh.Trimesh(mesh.positions, mesh.triangles, process=False)
    merged.merge_vertices(digits_vertex=5, merge_tex=True)
    assert len(merged.split(only_watertight=False)) >= 5


def test_holes_have_no_triangles():
    distance = np.full((16, 32), 2.0)
    distance[4:6, 5:9] = np.nan
    mesh = mesh_of(panorama_surface(np.zeros((16, 32, 3), np.uint8), distance))
    assert len(mesh.triangles) == 2 * 14 * 32 + 2 * 32 - 2 * 8
    assert np.isfinite(mesh.positions).all()
