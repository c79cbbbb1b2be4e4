"""The stage of places as a user runs it: one panorama at a keyboard, many on actors, each exactly once."""

import json
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ldm3d.config import (
    ActorsConfig,
    DepthFusionConfig,
    DepthMeaningConfig,
    ExportsConfig,
    GenerateConfig,
    GeneratorConfig,
    LabelConfig,
    ModelConfig,
    PictureConfig,
    SamplingConfig,
    SurfaceConfig,
    ViewsConfig,
)
from ldm3d.depth.relative import DepthEstimator
from ldm3d.fusion.fuse import fuse
from ldm3d.fusion.reading import read_panorama
from ldm3d.fusion.redraw import Redrawer
from ldm3d.images import decode_depth
from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.depth_files import npy
from ldm3d.immersive.projection import EQUIRECTANGULAR
from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.view import render
from ldm3d.keys import hidden_seed, sample_seeds
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling.draw_prompt import draw_prompt
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.toy import room
from ldm3d.toy.diffusion_model import make_base_model
from pipelines.depth_fusion import depth_fusion
from pipelines.generate import generate
from pipelines.storage.folder import Folder
from pipelines.workers.audit import AuditError
from tests import ROOT
from tests.builders.psnr import psnr
from tests.builders.small_depth_models import tiny_metric_depth_model

HEIGHT = 128
VIEWS = ViewsConfig(width=96, height=64, seconds=0.25, fps=8)
EYE = (0.08, 0.02, -0.06)  # 0.1 m from the middle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three panoramas of the room with their distances, turned to different sides, and one of another shape."""
    root = tmp_path_factory.mktemp("panoramas")
    picture, distance = room.panorama(HEIGHT)
    for number, name in enumerate(("one", "two", "three")):
        turn = number * 32
        Image.fromarray(np.roll(picture, turn, 1)).save(root / f"{name}.png")
        (root / f"{name}-depth.npy").write_bytes(npy(np.roll(distance, turn, 1)))
    Image.fromarray(picture[:, :200]).save(root / "flat.png")
    (root / "flat-depth.npy").write_bytes(npy(distance[:, :200]))
    return root


@pytest.fixture(scope="module")
def config(folder) -> DepthFusionConfig:
    return DepthFusionConfig(
        input=str(folder),
        output=f"{folder}-made",
        picture=PictureConfig(projection="360"),
        depth=DepthMeaningConfig(kind="distance"),
        exports=ExportsConfig(formats=("viewer", "mesh", "splats", "exr", "npy", "stills", "film-360")),
        views=VIEWS,
        cluster=ActorsConfig(actors=1, no_progress_timeout_s=120),
    )


@pytest.fixture(scope="module")
def made(config) -> dict[str, Any]:
    return depth_fusion(config)


def contents(folder: str) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for part in ("places", "facts", "rejects")
        for file in Path(folder, part).rglob("*.*")
        if file.is_file()
    }


def rows_of(output: str) -> dict[str, dict[str, Any]]:
    rows = [row for file in Path(output, "facts").rglob("*.parquet") for row in pq.read_table(file).to_pylist()]
    return {row["title"]: row for row in rows}


def test_each_panorama_is_a_folder_and_what_is_none_is_rejected(config, made):
    assert (made["rows_read"], made["rows_kept"]) == (4, 3)
    assert made["rows_rejected"] == {"bad_aspect_ratio": 1}
    rows = rows_of(config.output)
    assert rows.keys() == {"one", "two", "three"}
    for row in rows.values():
        held = {file.name: file.stat().st_size for file in Path(config.output, row["folder"]).iterdir()}
        assert held == json.loads(row["files"])
        assert held.keys() >= {"index.html", "viewer.html", "mesh.glb", "splats.ply", "panorama.exr"}
    (reject,) = (pq.read_table(file).to_pylist()[0] for file in Path(config.output, "rejects").rglob("*.parquet"))
    assert reject["detail"] == "flat.png: 200 x 128, wanted a panorama of 360 by 180 degrees, twice as wide as high"
    page = Path(config.output, "index.html").read_text()
    assert all(f"{row['folder']}/index.html" in page for row in rows.values())
    assert "<tr><td>flat.png</td><td>It is no panorama</td><td>200 x 128, wanted a panorama of 360" in page
    assert json.loads(Path(config.output, "_SUCCESS.json").read_text()) == made


def test_what_is_assumed_and_unknown_is_added_up_over_places_and_said_on_their_page(config, tmp_path):
    """Two panoramas of different sizes, one with a hole; the other one's map holds millimetres, and nobody says so."""
    (tmp_path / "in").mkdir()
    for name, height, metres in (("large", 8, 2), ("small", 4, 1_500)):
        numbers = np.full((height, 2 * height), metres, np.uint16)
        numbers[: height // 4] = 0 if name == "large" else metres
        Image.fromarray(np.zeros((height, 2 * height, 3), np.uint8)).save(tmp_path / f"in/{name}.png")
        Image.fromarray(numbers).save(tmp_path / f"in/{name}-depth.png")
    own = {"input": str(tmp_path / "in"), "exports": ExportsConfig(formats=("npy",))}
    made = depth_fusion(replace(config, output=str(tmp_path / "metres"), **own))
    assert made["depth"] == {
        "metres_assumed": 0,
        "perhaps_millimetres": 1,
        "unknown": 1,
        "unknown_share": 0.2,  # a quarter of 128 pixels, of 160
        "redrawn": 0,
        "redrawn_share": 0.0,
    }
    page = (tmp_path / "metres/index.html").read_text()
    assert "Depth was not given in 20 % of all pixels, in 1 place: nothing is seen there." in page
    assert "--depth.scale 0.001" in page
    relative = replace(config, output=str(tmp_path / "relative"), depth=DepthMeaningConfig(kind="relative"), **own)
    assert depth_fusion(relative)["depth"]["metres_assumed"] == 2
    assert "The metres of 2 places are assumed" in (tmp_path / "relative/index.html").read_text()


def test_a_view_of_what_was_written_is_that_of_the_exact_room(config, made):
    """From another place, of the EXR as another program reads it: the axes, the unit and the measure are as it says.

    27.1 dB are what pixels of 1.4 degrees give there. One column aside, distances 1.2 times as far or an eye that has
    not moved give at most 23.2 dB.
    """
    place = Path(config.output, rows_of(config.output)["one"]["folder"])
    with OpenEXR.File(str(place / "panorama.exr")) as opened:
        distance = opened.channels()["Z"].pixels
        header = opened.header()
        assert header["depthMeaning"] == "metres along the ray"
        assert json.loads(header["depthFusion"])["given_as"] == "distance"
    picture = np.asarray(Image.open(place / "panorama.png"))
    front = panorama_surface(picture, distance)
    camera = PerspectiveCamera(128, 128, position=EYE, yaw=200)
    seen = render([front, flood(picture, distance).surface(front)], camera, samples=2)
    truth, _ = room.look(np.array(EYE), camera.rays())
    assert psnr(seen.image, truth) > 26


def test_depth_says_what_it_means_in_its_own_file(config, made):
    place = Path(config.output, rows_of(config.output)["two"]["folder"])
    with Image.open(place / "panorama-depth.png") as opened:
        texts, depth = opened.text, np.asarray(opened).astype(np.float64) / 65_535
    near, far = float(texts["near_m"]), float(texts["far_m"])
    distance = np.load(place / "distance.npy")
    assert texts["rule"] == "disparity"
    assert np.abs(1 / (1 / far + depth * (1 / near - 1 / far)) / distance - 1).max() < 1e-4  # 16 bits of 1 / distance
    facts = json.loads((place / "place.json").read_text())
    assert facts["files"].keys() | {"place.json", "index.html"} == {file.name for file in place.iterdir()}
    assert facts["depth"]["distances"] == "metres along the ray"


def test_two_actors_make_the_same_bytes_and_what_was_lost_is_made_again(config, made, tmp_path):
    """What a run that was killed leaves: shards without a marker, a part of a place, and files that nobody lists."""
    output = str(shutil.copytree(config.output, tmp_path / "copy"))
    for number in (0, 2, 3):
        Folder(output).delete(f"_state/shards/panoramas-{number:05d}.json")
    Folder(output).delete("_SUCCESS.json")
    place = rows_of(config.output)["three"]["folder"]
    Folder(output).delete(f"{place}/mesh.glb")
    Folder(output).write(f"{place}/left.over", b"of an earlier attempt")
    kept = {file: file.stat().st_mtime_ns for file in Path(output, "_state/shards").iterdir()}
    two = replace(config, output=output, cluster=replace(config.cluster, actors=2))
    assert depth_fusion(two) == made
    assert contents(output) == contents(config.output)
    assert len(kept) == 1
    assert all(file.stat().st_mtime_ns == time for file, time in kept.items())


def test_a_place_whose_files_are_not_those_that_were_written_is_found_and_made_again(config, made, tmp_path):
    output = str(shutil.copytree(config.output, tmp_path / "copy"))
    place = rows_of(config.output)["two"]["folder"]
    copy = replace(config, output=output)
    Folder(output).delete("index.html")
    Folder(output).write(f"{place}/mesh.glb", b"cut short")
    assert depth_fusion(copy) == made
    assert contents(output) == contents(config.output)
    Folder(output).delete("_SUCCESS.json")
    Folder(output).write(f"{place}/more.glb", b"of somebody else")
    with pytest.raises(AuditError, match=f"{place} does not hold the files that were written"):
        depth_fusion(copy)
    assert depth_fusion(copy) == made
    assert contents(output) == contents(config.output)


def test_panoramas_maps_and_output_may_be_on_an_object_store(config, folder, s3):
    pictures, maps, output = (f"s3://places/{name}" for name in ("pictures", "maps", "made"))
    Folder(pictures).fs.mkdir("places")
    Folder(pictures).write("one.png", (folder / "one.png").read_bytes())
    Folder(maps).write("one.npy", (folder / "one-depth.npy").read_bytes())
    away = replace(config, input=pictures, output=output, depth=replace(config.depth, source=maps))
    made = depth_fusion(replace(away, exports=ExportsConfig(formats=("npy",))))
    assert made["rows_kept"] == 1
    (place,) = {name.rpartition("/")[0] for name in Folder(output).sizes("places")}
    here = Path(config.output, rows_of(config.output)["one"]["folder"], "distance.npy")
    assert Folder(output).read(f"{place}/distance.npy") == here.read_bytes()


def test_a_panorama_is_drawn_from_a_prompt_alone(drawing, tmp_path):
    sampling = replace(drawing.sampling, height=16)
    config = replace(drawing, input=None, output=str(tmp_path / "out"), depth=DepthMeaningConfig(), sampling=sampling)
    facts = fuse(config)
    assert (facts["title"], facts["width"], facts["height"]) == ("a <b>forest</b>", 32, 16)
    with Image.open(tmp_path / "out/panorama.png") as opened:
        assert "digitalsourcetype/trainedAlgorithmicMedia" in opened.text["XML:com.adobe.xmp"]
    with pytest.raises(ValueError, match="height is 15 pixels, wanted a multiple of"):
        fuse(replace(config, sampling=replace(sampling, height=15)))


def two_samples(drawing: DepthFusionConfig, folder: Path) -> GenerateConfig:
    """How two captions are drawn as panoramas by the same model."""
    (folder / "captions.txt").write_text("a red cube\na blue sphere\n")
    return GenerateConfig(
        input=str(folder / "captions.txt"),
        output=str(folder / "samples"),
        model=drawing.model,
        sampling=SamplingConfig(num_inference_steps=(2,), height=16, width=32, batch_size=2),
        cluster=drawing.cluster,
    )


def test_samples_of_generate_are_places_as_they_are(drawing, tmp_path):
    """Their depth needs no words, and a sample keeps what is known of it."""
    samples = two_samples(drawing, tmp_path)
    drawn = generate(samples)
    config = replace(
        drawing, input=samples.output, output=str(tmp_path / "out"), prompt=None, depth=DepthMeaningConfig()
    )
    assert depth_fusion(config)["places"] == {"ddim-s5-n2": 2}
    rows = rows_of(config.output)
    assert rows.keys() == {"a red cube", "a blue sphere"}
    place = Path(config.output, rows["a red cube"]["folder"])
    facts = json.loads((place / "place.json").read_text())["depth"]
    assert (facts["given_as"], facts["checkpoint"]) == ("relative", drawn["model"]["fingerprint"])
    (file,) = Path(samples.output, "samples").rglob("*.parquet")
    sample = next(row for row in pq.read_table(file).to_pylist() if row["caption"] == "a red cube")
    with Image.open(place / "panorama-depth.png") as opened:
        assert np.array_equal(np.asarray(opened), decode_depth(sample["depth"]["bytes"]))


def test_a_finished_run_does_nothing_and_other_settings_are_refused(config, made):
    times = {file: file.stat().st_mtime_ns for file in Path(config.output).rglob("*")}
    assert depth_fusion(config) == made
    assert {file: file.stat().st_mtime_ns for file in Path(config.output).rglob("*")} == times
    with pytest.raises(ValueError, match=r"--views\.ipd was 0\.064, is 0\.06"):
        depth_fusion(replace(config, views=replace(VIEWS, ipd=0.06)))


def test_a_finished_run_whose_places_have_lost_files_makes_these_again_and_no_others(config, made, tmp_path):
    output = str(shutil.copytree(config.output, tmp_path / "copy"))
    rows = rows_of(output)
    Path(output, rows["one"]["folder"], "splats.ply").unlink()
    Folder(output).write(f"{rows['three']['folder']}/panorama.png", b"cut short")
    kept = {file: file.stat().st_mtime_ns for file in Path(output, rows["two"]["folder"]).iterdir()}
    assert depth_fusion(replace(config, output=output)) == made
    assert contents(output) == contents(config.output)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(config, tmp_path):
    said = depth_fusion(replace(config, output=str(tmp_path / "out")), dry_run=True)
    assert (said["rows_read"], said["panoramas"]) == (4, {"panoramas": 4})
    assert not (tmp_path / "out").exists()


def test_one_panorama_is_made_at_a_keyboard_without_ray(folder, tmp_path):
    code = (
        "import sys; sys.modules['ray'] = None; import runpy; "
        "runpy.run_module('jobs.depth_fusion', run_name='__main__')"
    )
    flags = [
        *("--input", str(folder / "one.png"), "--output", "place", "--depth.kind", "distance"),
        *("--exports.formats", "viewer", "film-3d", "--views.width", "64", "--views.height", "64"),
        *("--views.seconds", "0.1", "--views.codec", "h264"),
    ]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *flags], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "look at  place/index.html" in done.stderr
    held = {file.name for file in (tmp_path / "place").iterdir()}
    assert held >= {"index.html", "viewer.html", "film_LR.mp4", "place.json"}


def test_what_was_made_before_goes_and_what_others_made_stays(config, folder, tmp_path):
    one = replace(config, input=str(folder / "one.png"), output=str(tmp_path / "place"))
    (tmp_path / "place/.making-killed").mkdir(parents=True)
    fuse(replace(one, exports=ExportsConfig(formats=("kitti", "npy"))))
    assert not list((tmp_path / "place").glob(".*"))
    fuse(replace(one, exports=ExportsConfig(formats=("npy",))))
    held = {file.name for file in (tmp_path / "place").iterdir()}
    assert "distance.npy" in held
    assert "distance_kitti.png" not in held
    (tmp_path / "others").mkdir()
    (tmp_path / "others/notes.txt").touch()
    with pytest.raises(ValueError, match=r"holds other files .*notes\.txt"):
        fuse(replace(one, output=str(tmp_path / "others")))


@pytest.fixture(scope="module")
def drawing(config, folder, tmp_path_factory) -> DepthFusionConfig:
    """A config whose model, of random weights, redraws one panorama."""
    root = tmp_path_factory.mktemp("drawing")
    make_base_model(root / "base", 0)
    save_pipeline(root / "model", load_base(ModelConfig(base=str(root / "base"))))
    (root / "in").mkdir()
    for name in ("two.png", "two-depth.npy"):
        shutil.copy(folder / name, root / "in" / name)
    return replace(
        config,
        input=str(root / "in"),
        output=str(root / "made"),
        prompt="a <b>forest</b>",
        strength=0.5,
        exports=ExportsConfig(formats=("npy",)),
        model=GeneratorConfig(model=(str(root / "model"),), precision="fp32"),
        sampling=SamplingConfig(num_inference_steps=(4,), guidance_scale=(2.0,), batch_size=1),
        cluster=replace(config.cluster, gpus=0),
    )


def test_a_model_redraws_a_panorama_alike_on_a_cluster_and_here(drawing, tmp_path):
    made = depth_fusion(drawing)
    (row,) = rows_of(drawing.output).values()
    place = Path(drawing.output, row["folder"])
    drawn = json.loads((place / "place.json").read_text())["depth"]["redrawn"]
    assert drawn["model"] == made["model"]["fingerprint"]
    assert drawn["unknown_share_before"] == 0
    one = replace(drawing, input=f"{drawing.input}/two.png", output=str(tmp_path / "here"), seed=drawn["seed"])
    fuse(one)
    for name in ("panorama.png", "distance.npy"):
        assert (tmp_path / "here" / name).read_bytes() == (place / name).read_bytes()
    given = np.asarray(Image.open(f"{drawing.input}/two.png"))
    assert (np.asarray(Image.open(place / "panorama.png")) != given).any()
    assert "<b>" not in (place / "index.html").read_text()


def test_networks_estimate_depth_and_draw_what_is_hidden_alike_on_a_cluster_and_here(drawing, folder, tmp_path):
    """One panorama has a map, and tears in it, the other has none."""
    tiny_metric_depth_model(tmp_path / "depth")
    (tmp_path / "in").mkdir()
    for name in ("one.png", "one-depth.npy", "two.png"):
        shutil.copy(folder / name, tmp_path / "in" / name)
    config = replace(
        drawing,
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        prompt=None,
        depth=replace(drawing.depth, model=str(tmp_path / "depth")),
        surface=SurfaceConfig(background="inpaint"),
        exports=ExportsConfig(formats=("mesh", "npy")),
    )
    made = depth_fusion(config)
    for name, row in rows_of(config.output).items():
        place = Path(config.output, row["folder"])
        facts = json.loads((place / "place.json").read_text())["depth"]
        assert ("estimated" in facts) == (name == "two")
        (seed,) = sample_seeds(np.array([row["key"]]), np.zeros(1, np.int64), config.seed).tolist()
        drawn = {"prompt": None, "seed": hidden_seed(seed), "model": made["model"]["fingerprint"]}
        assert facts["inpainted"] == drawn
        fuse(replace(config, input=f"{config.input}/{name}.png", output=str(tmp_path / name), seed=seed))
        for file in ("distance.npy", "mesh.glb"):
            assert (tmp_path / name / file).read_bytes() == (place / file).read_bytes()
        if name == "two":
            assert facts["given_as"] == "estimated"
            assert facts["estimated"]["fingerprint"] == made["depth_model"]["fingerprint"]
    flood = replace(config, input=f"{config.input}/one.png", output=str(tmp_path / "flood"), surface=SurfaceConfig())
    fuse(flood)
    assert (tmp_path / "flood/mesh.glb").read_bytes() != (tmp_path / "one/mesh.glb").read_bytes()


def test_a_model_estimates_depth_of_flat_pictures_alike_on_a_cluster_and_here(config, folder, tmp_path):
    """Beside a panorama, in one run; of what a network cannot see there is a row with the reason."""
    tiny_metric_depth_model(tmp_path / "depth")
    (tmp_path / "in").mkdir()
    picture = np.array(Image.open(folder / "flat.png"))
    shutil.copy(folder / "two.png", tmp_path / "in/around.png")
    Image.fromarray(picture).save(tmp_path / "in/flat.png")
    Image.fromarray(picture[:20]).save(tmp_path / "in/low.png")
    many = replace(
        config,
        input=str(tmp_path / "in"),
        output=str(tmp_path / "out"),
        picture=PictureConfig(),
        depth=DepthMeaningConfig(model=str(tmp_path / "depth")),
        exports=ExportsConfig(formats=("mesh", "npy")),
        cluster=replace(config.cluster, gpus=0),
    )
    made = depth_fusion(many)
    assert (made["rows_kept"], made["rows_rejected"]) == (2, {"too_small": 1})
    rows = rows_of(many.output)
    assert rows.keys() == {"around", "flat"}
    for name, row in rows.items():
        place = Path(many.output, row["folder"])
        facts = json.loads((place / "place.json").read_text())["depth"]
        assert facts["estimated"]["fingerprint"] == made["depth_model"]["fingerprint"]
        assert ("projection" in facts) == (name == "flat")
        fuse(replace(many, input=f"{many.input}/{name}.png", output=str(tmp_path / name)))
        for file in ("distance.npy", "mesh.glb"):
            assert (tmp_path / name / file).read_bytes() == (place / file).read_bytes()
    labeller = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(tmp_path / "depth"), dtype="float32"))
    metres = 1 / labeller.inverse_depth(picture[None])[0].numpy()
    np.testing.assert_allclose(np.load(tmp_path / "flat/distance.npy"), metres, rtol=1e-5)


def test_what_samples_hide_is_drawn_by_their_own_captions(drawing, tmp_path):
    """A sample that is a file is drawn alike by that text and its own seed, and the sample itself stays."""
    samples = two_samples(drawing, tmp_path)
    generate(samples)
    config = replace(
        drawing,
        input=samples.output,
        output=str(tmp_path / "out"),
        prompt=None,
        depth=DepthMeaningConfig(amount=0.9),
        surface=SurfaceConfig(background="inpaint", prompt="{caption}, empty", steepest=20.0),  # smooth depth is torn
        exports=ExportsConfig(formats=("mesh",)),
    )
    depth_fusion(config)
    (file,) = Path(samples.output, "samples").rglob("*.parquet")
    drawn = {row["caption"]: row for row in pq.read_table(file).to_pylist()}
    rows = rows_of(config.output)
    assert rows.keys() == drawn.keys() == {"a red cube", "a blue sphere"}
    for caption, row in rows.items():
        place = Path(config.output, row["folder"])
        facts = json.loads((place / "place.json").read_text())["depth"]
        (seed,) = sample_seeds(np.array([row["key"]]), np.array([row["number"]]), config.seed).tolist()
        assert (facts["inpainted"]["prompt"], facts["inpainted"]["seed"]) == (f"{caption}, empty", hidden_seed(seed))
        picture = tmp_path / f"{seed}.png"
        shutil.copy(place / "panorama.png", picture)
        (tmp_path / f"{seed}-depth.png").write_bytes(drawn[caption]["depth"]["bytes"])
        alone = {}
        for text in (f"{caption}, empty", None):
            told = {"surface": replace(config.surface, prompt=text), "depth": replace(config.depth, kind="relative")}
            fuse(replace(config, input=str(picture), output=str(tmp_path / "one"), seed=seed, **told))
            alone[text] = vertices_and_picture(tmp_path / "one")
        assert alone[f"{caption}, empty"] == vertices_and_picture(place) != alone[None]


def vertices_and_picture(place: Path) -> bytes:
    """A mesh without what is said of it."""
    return (place / "mesh.glb").read_bytes().partition(b"BIN\0")[2]


def test_what_cannot_be_done_ends_with_its_own_code(folder, tmp_path, monkeypatch, capsys):
    line = ["--input", str(folder / "flat.png"), "--output", str(tmp_path / "out"), "--depth.kind", "distance"]
    line += ["--picture.projection", "360"]
    monkeypatch.setattr("sys.argv", ["jobs.depth_fusion", *line])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("jobs.depth_fusion", run_name="__main__")
    assert stopped.value.code == 2
    assert "twice as wide as high" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_what_generate_draws_of_a_prompt_and_of_captions_is_a_flat_place_without_a_word(drawing, tmp_path):
    sampling = SamplingConfig(num_inference_steps=(2,), height=16, width=16, batch_size=2)
    draw_prompt(
        GenerateConfig(prompt="a red cube", output=str(tmp_path / "drawn"), model=drawing.model, sampling=sampling)
    )
    formats = ExportsConfig(formats=("npy", "stills"))
    one = DepthFusionConfig(input=f"{tmp_path}/drawn/000.png", output=str(tmp_path / "one"), exports=formats)
    facts = fuse(replace(one, views=VIEWS))
    assert (facts["depth"]["given_as"], facts["depth"]["projection"]) == ("relative", "flat")
    (tmp_path / "captions.txt").write_text("a red cube\n")
    samples = GenerateConfig(
        input=str(tmp_path / "captions.txt"),
        output=str(tmp_path / "samples"),
        model=drawing.model,
        sampling=sampling,
        cluster=drawing.cluster,
    )
    generate(samples)
    many = replace(one, input=samples.output, output=str(tmp_path / "many"), views=VIEWS, cluster=drawing.cluster)
    assert depth_fusion(many)["places"] == {"ddim-s5-n2": 1}
    row = rows_of(many.output)["a red cube"]
    assert (row["width"], row["height"]) == (16, 16)
    assert json.loads(row["files"]).keys() >= {"picture.png", "distance.npy", "view_LR.jpg"}


def test_a_model_redraws_a_flat_picture_as_one(drawing, folder, tmp_path):
    """Its left and right edges are no neighbours: a model that draws around would see others."""
    picture = np.asarray(Image.open(folder / "flat.png"))[:64, :96]
    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "a-depth.npy").write_bytes(npy(np.load(folder / "flat-depth.npy")[:64, :96]))
    flat = replace(drawing, input=f"{tmp_path}/a.png", output=str(tmp_path / "out"), picture=PictureConfig())
    facts = fuse(flat)
    assert facts["depth"]["projection"] == "flat"
    assert facts["depth"]["redrawn"]["prompt"] == "a <b>forest</b>"
    drawn = np.asarray(Image.open(tmp_path / "out/picture.png"))
    pipeline = RgbdPipeline.from_pretrained(drawing.model.model[0])
    given = read_panorama(flat)
    alone = Redrawer(pipeline, flat)(given, flat.seed)
    assert np.array_equal(drawn, alone.picture)
    around = Redrawer(pipeline, flat)(replace(given, projection=EQUIRECTANGULAR), flat.seed)
    assert (around.picture[:, [0, -1]] != alone.picture[:, [0, -1]]).any()
