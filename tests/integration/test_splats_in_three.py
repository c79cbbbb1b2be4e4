"""Splat files in a reader and renderer that are not ours: three.js in a real browser, with WebGL."""

import base64
import io
import os
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.splats import Splats, splat_glb, splat_ply, splats_of
from ldm3d.immersive.surface import panorama_surface
from ldm3d.toy import room
from tests import ROOT
from tests.builders.browser import CHROMIUM, DRAWS, Browser
from tests.builders.psnr import psnr

HEIGHT, VIEW, FOV = 128, 128, 90.0  # a pixel of the views is as wide as one of the panorama, or half as wide
MODULES = ROOT / "ldm3d/immersive/viewer/node_modules"
SCRIPT = ROOT / "tests/builders/splats_in_three.mjs"
FILES = {
    "ply": (splat_ply, np.pi),
    "glb": (splat_glb, 0.0),
}  # PLY is y down: three.js leaves it to its users to turn it

if CHROMIUM is None:
    pytest.skip("no chromium, chromium-browser or google-chrome on PATH", allow_module_level=True)
if not (MODULES / "three").exists():
    pytest.skip("no three.js: make viewer installs it", allow_module_level=True)


@pytest.fixture(scope="module")
def splats() -> Splats:
    return splats_of(panorama_surface(*room.panorama(HEIGHT)))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("three")
    bundle = [MODULES / ".bin/esbuild", SCRIPT, "--bundle", "--format=iife", f"--outfile={folder / 'splats.js'}"]
    subprocess.run(bundle, check=True, capture_output=True, env=os.environ | {"NODE_PATH": str(MODULES)})
    page = folder / "splats.html"
    page.write_text("<!doctype html><style>* { margin: 0 }</style><body><script src=splats.js></script>", "utf-8")
    with Browser(*DRAWS, size=(VIEW, VIEW)) as running:
        running.open(page)
        yield running


@pytest.fixture(params=FILES)
def browser(request: pytest.FixtureRequest, shared: Browser, splats: Splats) -> Browser:
    """A browser that shows the splats of one kind of file."""
    write, turn = FILES[request.param]
    shared.ask(f"splats.show('{request.param}', '{base64.b64encode(write(splats)).decode()}', {turn})")
    shared.kind = request.param
    return shared


def test_places_shapes_and_colours_are_those_that_were_written(browser, splats):
    positions, covariances, colours = (np.array(numbers) for numbers in browser.ask("splats.numbers()"))
    turned = np.array([1, 1, 1] if browser.kind == "glb" else [1, -1, -1])
    np.testing.assert_array_equal(positions.reshape(-1, 3).astype(np.float32), splats.positions * turned)
    axes = Rotation.from_quat(splats.rotations).as_matrix() * splats.scales[:, None, :] * turned[:, None]
    wanted = (axes @ axes.transpose(0, 2, 1))[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    np.testing.assert_allclose(covariances.reshape(-1, 6), wanted, rtol=1e-3, atol=1e-7)
    assert np.abs(colours.reshape(-1, 4)[:, :3] - splats.colours).max() <= 1
    assert (colours.reshape(-1, 4)[:, 3] == 255).all()


def test_from_the_middle_they_are_the_panorama(browser):
    """As far as Gaussians are one: their blur of hard edges leaves 25 dB here; a shift of 2 of 128 pixels has 22."""
    camera = PerspectiveCamera(VIEW, VIEW, FOV, yaw=150, pitch=30)
    found, truth = drawn(browser, camera), seen(camera)
    assert psnr(found, truth) > 24
    for wrong in (found[:, ::-1], found[::-1], found[::-1, ::-1], np.roll(found, 2, 1), np.roll(found, 2, 0)):
        assert psnr(wrong, truth) < 23


def drawn(browser: Browser, camera: PerspectiveCamera) -> np.ndarray:
    browser.ask(f"splats.look({list(camera.position)}, {camera.yaw}, {camera.pitch}, {camera.fov})")
    with Image.open(io.BytesIO(browser.screenshot())) as image:
        return np.asarray(image.convert("RGB"), np.float64)


def seen(camera: PerspectiveCamera) -> np.ndarray:
    """The room as a camera with pixels of some size sees it."""
    fine = PerspectiveCamera(
        4 * camera.width, 4 * camera.height, camera.fov, camera.position, camera.yaw, camera.pitch
    )
    picture, _ = room.look(np.array(camera.position), fine.rays())
    return picture.reshape(camera.height, 4, camera.width, 4, 3).mean((1, 3))
