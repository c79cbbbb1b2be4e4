"""Splat files in PlayCanvas' splat-transform, which SuperSplat's files come from: data, and its own view of them.

It is installed with npm. Its renderer needs Vulkan: that of Debian's chromium (SwiftShader).
"""

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from benchmarks.peers import npm_packages
from ldm3d.immersive.splats import HARMONIC_0, Splats, splat_ply, splats_of
from ldm3d.immersive.surface import panorama_surface
from ldm3d.toy import room

HEIGHT = 128
PACKAGES = ("@playcanvas/splat-transform@3.7.0", "playcanvas@2.23.3")
VULKAN = Path("/usr/lib/chromium")
Convert = Callable[..., bytes]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on PATH: splat-transform is not installed"),
]


@pytest.fixture(scope="module")
def splats() -> Splats:
    return splats_of(panorama_surface(*room.panorama(HEIGHT)))


@pytest.fixture(scope="module")
def convert(splats, tmp_path_factory) -> Convert:
    """Converts our PLY to a file of another kind, with some flags of its command line, and returns that."""
    folder = tmp_path_factory.mktemp("splats")
    (folder / "room.ply").write_bytes(splat_ply(splats))
    with npm_packages(str(folder / "npm"), *PACKAGES) as modules:
        program = modules / "node_modules/@playcanvas/splat-transform/bin/cli.mjs"
    vulkan = {"LD_LIBRARY_PATH": str(VULKAN), "VK_ICD_FILENAMES": str(VULKAN / "vk_swiftshader_icd.json")}

    def run(name: str, *flags: str) -> bytes:
        command = ["node", program, "--quiet", "room.ply", name, *flags]
        subprocess.run(command, cwd=folder, check=True, env=os.environ | vulkan, timeout=300)
        return (folder / name).read_bytes()

    return run


def test_places_sizes_and_colours_survive(convert, splats):
    rows = list(csv.DictReader(io.StringIO(convert("room.csv").decode())))

    def column(*names: str) -> np.ndarray:
        return np.array([[float(row[name]) for name in names] for row in rows])

    np.testing.assert_allclose(column("x", "y", "z"), splats.positions * [1, -1, -1], atol=1e-6)
    np.testing.assert_allclose(np.exp(column("scale_0", "scale_1", "scale_2")), splats.scales, rtol=1e-5)
    colours = column("f_dc_0", "f_dc_1", "f_dc_2") * HARMONIC_0 + 0.5
    np.testing.assert_allclose(255 * colours, splats.colours, atol=1e-3)
    np.testing.assert_allclose(1 / (1 + np.exp(-column("opacity"))), 0.999, rtol=1e-6)


def test_up_is_up_and_ahead_is_behind(convert, splats):
    """It turns what is y down by half a turn around z, others around x: both are right, and differ by one around y."""
    (points,) = trimesh.load_scene(io.BytesIO(convert("room.glb")), file_type="glb").geometry.values()
    np.testing.assert_allclose(points.vertices, splats.positions * [-1, 1, -1], atol=1e-6)


@pytest.mark.skipif(not (VULKAN / "vk_swiftshader_icd.json").exists(), reason="no Vulkan of Debian's chromium")
def test_rendered_from_the_middle_they_are_the_panorama(convert):
    """As far as Gaussians are one: their blur of hard edges leaves 27 dB at this size."""
    eye = [
        "--projection=equirect",
        "--camera-pos=0,0,0",
        "--camera-target=0,0,1",
        f"--resolution={2 * HEIGHT}x{HEIGHT}",
    ]
    with Image.open(io.BytesIO(convert("room.webp", *eye))) as image:
        found = np.asarray(image.convert("RGB"), np.float64)
    truth, _ = room.panorama(HEIGHT)

    def psnr(picture: np.ndarray) -> float:
        return float(10 * np.log10(255**2 / np.mean((picture - truth) ** 2)))

    assert psnr(found) > 26
    for wrong in (found[:, ::-1], found[::-1], np.roll(found, 1, 1), np.roll(found, HEIGHT, 1)):
        assert psnr(wrong) < psnr(found) - 1
