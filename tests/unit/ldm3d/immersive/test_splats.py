"""Splats lie on the surface, as large as their pixels, and files of them are in the frame that viewers expect."""

import io

import numpy as np
import plyfile
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.splats import HARMONIC_0, Splats, splat_glb, splat_ply, splats_of
from ldm3d.immersive.srgb import light_of
from ldm3d.immersive.surface import panorama_surface
from ldm3d.toy import room

HEIGHT = 64


@pytest.fixture(scope="module")
def surface():
    return panorama_surface(*room.panorama(HEIGHT))


@pytest.fixture(scope="module")
def splats(surface):
    return splats_of(surface)


def test_on_a_sphere_they_face_its_middle_and_are_as_large_as_pixels():
    found = splats_of(panorama_surface(np.zeros((32, 64, 3), np.uint8), np.full((32, 64), 2.0)))
    normals = Rotation.from_quat(found.rotations).apply([0, 0, 1])
    towards = (normals * found.positions).sum(axis=1) / np.linalg.norm(found.positions, axis=1)
    np.testing.assert_allclose(np.abs(towards), 1, atol=0.01)
    equator = found.scales.reshape(32, 64, 3)[15:17]
    np.testing.assert_allclose(equator[..., :2], 0.6 * 2 * np.pi / 32, rtol=0.02)
    assert (found.scales[:, 2] < found.scales[:, 0]).all()


def test_a_ply_read_by_another_library_is_the_scene_turned_upside_down(splats):
    rows = plyfile.PlyData.read(io.BytesIO(splat_ply(splats)))["vertex"].data
    back = np.stack([rows["x"], -rows["y"], -rows["z"]], axis=1)
    np.testing.assert_array_equal(back, splats.positions)
    colours = np.stack([rows[f"f_dc_{k}"] for k in range(3)], axis=1) * HARMONIC_0 + 0.5
    np.testing.assert_allclose(colours, splats.colours / 255, atol=1e-6)
    np.testing.assert_allclose(np.exp(rows["scale_0"]), splats.scales[:, 0], rtol=1e-5)
    wxyz = np.stack([rows[f"rot_{k}"] for k in range(4)], axis=1)
    turned = Rotation.from_quat(wxyz[:, [1, 2, 3, 0]]).as_matrix()
    wanted = np.diag([1, -1, -1]) @ Rotation.from_quat(splats.rotations).as_matrix()
    np.testing.assert_allclose(turned, wanted, atol=1e-5)
    assert 1 / (1 + np.exp(-rows["opacity"][0])) == pytest.approx(0.999)


def test_a_glb_read_by_a_library_that_knows_no_splats_is_points_in_linear_colours(splats):
    (points,) = trimesh.load_scene(io.BytesIO(splat_glb(splats)), file_type="glb").geometry.values()
    np.testing.assert_array_equal(points.vertices, splats.positions)
    np.testing.assert_allclose(points.colors[:, :3], 255 * light_of(splats.colours), atol=0.51)


def test_drawn_from_the_middle_they_are_the_panorama(splats):
    camera = PerspectiveCamera(48, 48, 60, yaw=20)
    found = drawn(splats, camera)
    truth, _ = room.look(np.zeros(3), PerspectiveCamera(192, 192, 60, yaw=20).rays())
    truth = truth.reshape(48, 4, 48, 4, 3).mean((1, 3))
    error = ((found - truth) ** 2).mean()
    assert 10 * np.log10(255**2 / error) > 22  # a pixel of the panorama is three of the view's wide
    mirrored = ((found[:, ::-1] - truth) ** 2).mean()
    assert 10 * np.log10(255**2 / mirrored) < 16


def drawn(splats: Splats, camera: PerspectiveCamera) -> np.ndarray:
    """Draw them as the paper of Gaussian splatting does: projected covariances, from near to far."""
    axes = Rotation.from_quat(splats.rotations).as_matrix() * splats.scales[:, None, :]
    local = splats.positions @ camera.axes.T
    order = np.argsort(-local[:, 2])
    image, left = np.zeros((camera.height, camera.width, 3)), np.ones((camera.height, camera.width))
    y, x = np.mgrid[: camera.height, : camera.width] + 0.5
    for n in order:
        right, up, depth = local[n, 0], local[n, 1], -local[n, 2]
        if depth < 0.1 or max(abs(right), abs(up)) > depth:
            continue
        jacobian = camera.focal / depth * np.array([[1, 0, right / depth], [0, -1, -up / depth]])
        spread = jacobian @ camera.axes @ axes[n]
        covariance = spread @ spread.T + 0.3 * np.eye(2)
        at = np.array([camera.width / 2 + camera.focal * right / depth, camera.height / 2 - camera.focal * up / depth])
        offset = np.stack([x - at[0], y - at[1]], axis=-1)
        alpha = 0.999 * np.exp(-0.5 * np.einsum("hwi,ij,hwj->hw", offset, np.linalg.inv(covariance), offset))
        image += (left * alpha)[..., None] * splats.colours[n]
        left *= 1 - alpha
    return image
