"""The folder of a place: a page that shows what is there, and text that stays text."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig, ExportsConfig, ViewsConfig
from ldm3d.fusion.pages import gallery_page
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.place import write_place
from ldm3d.fusion.scene import Scene, thin_rows
from ldm3d.immersive.still import Provenance
from ldm3d.toy import room

EVIL = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\0"
CONFIG = DepthFusionConfig(
    input="in",
    output="out",
    depth=DepthMeaningConfig(kind="distance"),
    exports=ExportsConfig(formats=("viewer", "mesh", "splats", "kitti", "rgbd")),
    views=ViewsConfig(width=32, height=32),
)


@pytest.fixture(scope="module")
def panorama() -> Panorama:
    made = Panorama.of(*room.panorama(32), "distance", CONFIG.depth)
    return replace(made, title=EVIL, provenance=Provenance("trainedAlgorithmicMedia", "m", 3), about={"source": EVIL})


def test_the_page_names_every_file_and_runs_nothing(panorama, tmp_path):
    facts = write_place(panorama, CONFIG, tmp_path)
    page = (tmp_path / "index.html").read_text()
    linked = set(re.findall(r'(?:href|src)="([^"]+)"', page)) - {"data:,"}
    assert linked == set(facts["files"])
    assert linked | {"place.json", "index.html"} == {file.name for file in tmp_path.iterdir()}
    assert json.loads((tmp_path / "place.json").read_text()) == facts
    assert "<script" not in page
    assert "onerror=alert(2)>" not in page
    assert "script-src 'none'" in page


def test_the_page_says_in_words_what_depth_means(panorama, tmp_path):
    distance = panorama.distance.copy()
    distance[:8] = np.nan
    write_place(replace(panorama, distance=distance, title="room", is_relative=True), CONFIG, tmp_path)
    page = (tmp_path / "index.html").read_text()
    words = page[page.index("What depth means") :]
    assert "<p>Its metres are assumed, as its depth is relative: --depth.near and --depth.far" in words
    assert "<p>Depth is unknown in 25 % of the picture: nothing is seen there.</p>" in words
    assert "<dt>Depth was given as</dt><dd>distance: metres along the ray</dd>" in words
    assert not re.search(r"<dt>[^<]*_|nearest_m|unknown_share", page)
    about = (tmp_path / "viewer.html").read_text().partition('<script type="application/json"')[0]
    assert "<dt>Distances</dt>" in about
    assert "nearest_m" not in about


def test_a_gallery_keeps_text_as_text():
    page = gallery_page(EVIL, [EVIL], [("places/panoramas/0", EVIL, EVIL)], [(EVIL, EVIL, EVIL)], EVIL)
    assert "<script" not in page
    assert "onerror=alert(2)>" not in page
    assert "places/panoramas/0/index.html" in page


def test_the_same_panorama_gives_the_same_bytes(panorama, tmp_path):
    config = replace(CONFIG, exports=replace(CONFIG.exports, formats=(*CONFIG.exports.formats, "exr", "film-flat")))
    for name in "ab":
        (tmp_path / name).mkdir()
        write_place(panorama, config, tmp_path / name)
    files = {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()}
    assert files == {file.name: file.read_bytes() for file in (tmp_path / "b").iterdir()}


def test_a_large_panorama_is_thinned_for_splats_and_a_mesh_keeps_its_picture(panorama, tmp_path):
    coarse = replace(CONFIG, exports=ExportsConfig(formats=("mesh", "splats"), columns=20))
    scene = Scene(panorama, coarse)
    assert scene.thinned.panorama.picture.shape == (10, 20, 3)
    write_place(panorama, coarse, tmp_path)
    assert b"element vertex 200\n" in (tmp_path / "splats.ply").read_bytes()[:200]
    content = (tmp_path / "mesh.glb").read_bytes()
    start = content.index(b"\xff\xd8\xff")
    (tmp_path / "texture.jpg").write_bytes(content[start:])
    assert Image.open(tmp_path / "texture.jpg").size == (64, 32)


@pytest.mark.parametrize(("size", "columns"), [(32, 64), (33, 20), (5, 4), (2, 4)])
def test_what_is_kept_lies_in_the_middle_of_what_it_stands_for(size, columns):
    rows = thin_rows(size, columns)
    assert len(rows) == min(size, columns // 2)
    step = size / len(rows)
    assert np.abs(rows + 0.5 - (np.arange(len(rows)) + 0.5) * step).max() <= 0.5
    assert len(set(rows.tolist())) == len(rows)


def test_a_tiny_panorama_and_unknown_pixels_make_every_file(tmp_path: Path):
    distance = np.full((2, 4), 2.0)
    distance[0, 0] = np.nan
    made = Panorama.of(np.zeros((2, 4, 3), np.uint8), distance, "distance", CONFIG.depth)
    every = ("viewer", "mesh", "splats", "exr", "kitti", "npy", "pfm", "rgbd", "stills", "film-360", "film-180")
    views = replace(CONFIG.views, seconds=0.1, fps=10)
    config = replace(CONFIG, exports=ExportsConfig(formats=(*every, "film-flat", "film-3d")), views=views)
    facts = write_place(made, config, tmp_path)
    assert facts["depth"]["unknown_share"] == 0.125
    assert len(facts["files"]) == 22
