"""A flat picture with depth is a place as well: by its size or because it is said, with the files that it has."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from ldm3d.config import (
    DepthFusionConfig,
    DepthMeaningConfig,
    ExportsConfig,
    PictureConfig,
    SurfaceConfig,
    ViewsConfig,
)
from ldm3d.config.exports import AROUND, FORMATS
from ldm3d.fusion.fuse import fuse
from ldm3d.fusion.panorama import Panorama, is_too_large
from ldm3d.fusion.place import write_place
from ldm3d.fusion.projection import projection_of
from ldm3d.fusion.scene import Scene
from ldm3d.fusion.views import camera_of, write_film, write_stills
from ldm3d.immersive import pinhole
from ldm3d.immersive.camera import PerspectiveCamera, stereo
from ldm3d.immersive.depth_files import npy
from ldm3d.immersive.projection import EQUIRECTANGULAR, Perspective
from ldm3d.immersive.view import render
from ldm3d.toy import room
from tests.builders.psnr import psnr

FOV, WIDTH, HEIGHT = 60.0, 96, 64
CAMERA = PerspectiveCamera(WIDTH, HEIGHT, FOV)
PICTURE, DISTANCE = room.look(np.zeros(3), CAMERA.rays())
Z = DISTANCE / np.linalg.norm(CAMERA.rays(), axis=-1)
CONFIG = DepthFusionConfig(
    input="in",
    output="out",
    picture=PictureConfig(fov=FOV),
    depth=DepthMeaningConfig(kind="z"),
    views=ViewsConfig(width=96, height=96, seconds=0.2, fps=10),
)


def made(kind: Any = "z", numbers: Any = Z) -> Panorama:
    return Panorama.of(PICTURE, numbers, kind, CONFIG.depth, Perspective(FOV))


def files_of(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_what_is_twice_as_wide_as_high_is_a_panorama_unless_it_is_said():
    auto, flat, around = (PictureConfig(projection=each) for each in ("auto", "flat", "360"))
    assert projection_of(auto, 32, 64) == projection_of(around, 32, 64) == EQUIRECTANGULAR
    assert projection_of(auto, 32, 63) == projection_of(flat, 32, 64) == Perspective(pinhole.FOV)
    with pytest.raises(ValueError, match="63 x 32, wanted a panorama"):
        projection_of(around, 32, 63)


def test_a_flat_picture_may_have_as_many_pixels_as_the_largest_panorama():
    assert not is_too_large(4_096, 8_192)
    assert not is_too_large(5_792, 5_792)
    assert is_too_large(8_192, 4_097)


def test_distances_along_the_ray_z_and_inverse_z_are_the_same_place():
    for kind, numbers in (("distance", DISTANCE), ("z", Z), ("inverse", 1 / Z)):
        np.testing.assert_allclose(made(kind, numbers).distance, Z, rtol=1e-12)
    with pytest.raises(ValueError, match=r"--depth\.kind is z, and a panorama has no axis: give distance"):
        Panorama.of(*room.panorama(8), "z", CONFIG.depth)


def test_relative_depth_moves_a_plane():
    given = DepthMeaningConfig(amount=0.5, radius=2.0)
    depth = np.array([[0, 65_535, 0], [65_535, 0, 65_535]], np.uint16)
    picture = np.zeros((2, 3, 3), np.uint8)
    flat = Panorama.of(picture, depth, "relative", given, Perspective())
    np.testing.assert_allclose(flat.distance, [[3, 1, 3], [1, 3, 1]])
    level = Panorama.of(picture, np.full((2, 3), 32_768, np.uint16), "relative", given, Perspective())
    surface = Scene(level, CONFIG).surfaces[0]
    points = surface.rays[:-1, :-1] / surface.corners[..., :1]
    np.testing.assert_allclose(points[..., 2], -2, rtol=1e-4)  # no sphere


def test_all_that_it_has_is_written_and_says_what_it_means(tmp_path):
    facts = write_place(made(), CONFIG, tmp_path)
    assert files_of(tmp_path) == facts["files"].keys() | {"place.json", "index.html"}
    assert files_of(tmp_path) >= {
        *("viewer.html", "mesh.glb", "splats.ply", "picture.exr", "distance_kitti.png", "distance.npy"),
        *("picture_rgbd-right.png", "view.jpg", "view_LR.jpg", "view_anaglyph.jpg", "film.mp4", "film_LR.mp4"),
    }
    assert not any("360" in name or "180" in name for name in files_of(tmp_path))
    depth = json.loads((tmp_path / "place.json").read_text())["depth"]
    assert (depth["projection"], depth["fov_degrees"]) == ("flat", FOV)
    assert depth["distances"] == "metres along the camera's axis (z)"
    with OpenEXR.File(str(tmp_path / "picture.exr")) as opened:
        np.testing.assert_allclose(opened.channels()["Z"].pixels, Z, rtol=1e-6)
        assert opened.header()["depthMeaning"] == depth["distances"]
    with Image.open(tmp_path / "picture.png") as opened:
        assert "GPano" not in opened.text["XML:com.adobe.xmp"]
    assert Image.open(tmp_path / "view.jpg").size == (96, 64)
    assert Image.open(tmp_path / "view_LR.jpg").size == (192, 64)
    content = (tmp_path / "mesh.glb").read_bytes()
    assert b'"wrapS":33071' in content
    assert "depth moves the sphere" not in (tmp_path / "viewer.html").read_text()


@pytest.mark.parametrize("name", AROUND)
def test_what_it_has_not_is_refused_before_any_work(name, tmp_path):
    exports = ExportsConfig(formats=("mesh", name))
    with pytest.raises(ValueError, match=f"--exports.formats {name}: a flat picture does not show what is around"):
        write_place(made(), replace(CONFIG, exports=exports), tmp_path)
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    (tmp_path / "a-depth.npy").write_bytes(npy(Z))
    with pytest.raises(ValueError, match="a flat picture does not show"):
        fuse(replace(CONFIG, input=f"{tmp_path}/a.png", output=f"{tmp_path}/out", exports=exports), dry_run=True)
    assert files_of(tmp_path) == {"a.png", "a-depth.npy"}
    with pytest.raises(ValueError, match=r"--exports\.formats is .* wanted none of these for a flat picture"):
        replace(CONFIG, picture=PictureConfig(projection="flat"), exports=exports)


def test_a_panorama_has_every_usual_format_and_a_flat_picture_all_but_those_around():
    usual = ExportsConfig()
    assert usual.chosen(is_flat=False) == FORMATS
    assert set(usual.chosen(is_flat=True)) == set(FORMATS) - set(AROUND)


@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 96), (97, 31), (200, 7)])
def test_views_have_the_shape_and_the_angle_of_the_picture_and_show_nothing_beside_it(width, height):
    picture = np.full((height, width, 3), 200, np.uint8)
    flat = Panorama.of(picture, np.full((height, width), 2.0), "z", CONFIG.depth, Perspective(FOV))
    scene = Scene(flat, replace(CONFIG, views=ViewsConfig(width=320, height=180)))
    camera = camera_of(scene, "flat")
    assert isinstance(camera, PerspectiveCamera)
    assert camera.width <= 320
    assert camera.height <= 180
    assert max(camera.width / 320, camera.height / 180) == 1
    assert camera.fov <= FOV
    assert camera.fov > 0.85 * FOV
    assert (render(scene.surfaces, camera).image == 200).all()


def test_a_thinned_picture_is_the_same_place():
    scene = Scene(made(), replace(CONFIG, exports=ExportsConfig(columns=48)))
    thin = scene.thinned
    assert thin.panorama.picture.shape == (32, 48, 3)
    view = render(thin.surfaces, PerspectiveCamera(48, 32, FOV, (0.05, 0, 0)))
    truth = room.look(np.array((0.05, 0, 0)), PerspectiveCamera(48, 32, FOV).rays())[0]
    is_seen = view.layer == 0
    assert psnr(view.image, truth, is_seen) > 20
    low, fine = (np.abs(each.surfaces[0].rays).max(axis=(0, 1)) for each in (thin, scene))
    np.testing.assert_allclose(low, fine)


def test_stills_are_what_each_eye_really_sees(tmp_path):
    flat, apart = made(), 0.2  # metres, as pixels are large
    write_stills(Scene(flat, replace(CONFIG, views=replace(CONFIG.views, ipd=apart))), tmp_path)
    both = np.asarray(Image.open(tmp_path / "view_LR.jpg"), np.float64)
    eyes = stereo(PerspectiveCamera(WIDTH, HEIGHT, FOV, window=flat.middle), apart)
    left, right = (room.look(np.array(eye.position), eye.rays())[0] for eye in eyes)
    for half, own, other in ((both[:, :WIDTH], left, right), (both[:, WIDTH:], right, left)):
        inside = np.s_[4:-4, 8:-8]  # a step aside uncovers what is beside the picture
        assert psnr(half[inside], own[inside]) > psnr(half[inside], other[inside]) + 3
        assert psnr(half[inside], own[inside]) > psnr(half[inside], np.roll(own, 1, 1)[inside]) + 3


def test_a_film_sways_where_a_panorama_would_turn(tmp_path):
    """A flat picture shows nothing to turn to."""
    films = []
    for path in ("turn", "sway"):
        (tmp_path / path).mkdir()
        views = replace(CONFIG.views, path=path)
        write_film(Scene(made(), replace(CONFIG, views=views)), tmp_path / path, "film-flat")
        films.append((tmp_path / path / "film.mp4").read_bytes())
    assert films[0] == films[1]


def test_the_same_picture_gives_the_same_bytes(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        write_place(made(), replace(CONFIG, exports=ExportsConfig(formats=("viewer", "film-3d"))), tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_tiny_picture_and_unknown_pixels_make_every_file(tmp_path):
    depth = np.full((2, 3), 2.0)
    depth[0, 0] = np.nan
    tiny = Panorama.of(np.zeros((2, 3, 3), np.uint8), depth, "z", CONFIG.depth, Perspective())
    formats = ExportsConfig(formats=tuple(name for name in (*FORMATS, "pfm") if name not in AROUND))
    facts = write_place(tiny, replace(CONFIG, exports=formats), tmp_path)
    assert facts["depth"]["unknown_share"] == 0.166667


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"picture": PictureConfig(fov=180.0)}, r"--picture\.fov is 180\.0, wanted degrees above 0 and below 180"),
        (
            {"picture": PictureConfig(projection="360")},
            r"--depth\.kind is 'z', wanted distance: a panorama has no axis",
        ),
        (
            {"input": None, "prompt": "a", "depth": DepthMeaningConfig(), "picture": PictureConfig(projection="flat")},
            r"--picture\.projection is 'flat', wanted 360: `generate` draws flat pictures",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        replace(CONFIG, **settings)


def test_names_that_the_library_has_too_are_the_same():
    assert PictureConfig().fov == pinhole.FOV


def test_nothing_is_drawn_behind_a_flat_picture():
    drawn = replace(CONFIG, surface=SurfaceConfig(background="inpaint"))
    with pytest.raises(ValueError, match="draws behind panoramas only: give flood"):
        drawn.formats_for(is_flat=True)
    assert drawn.formats_for(is_flat=False) == FORMATS
