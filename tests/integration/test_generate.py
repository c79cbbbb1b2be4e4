"""The generation stage as a user runs it: every sample once, resumed, the same on any number of actors."""

import json
import re
import runpy
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from ldm3d.config import (
    ActorsConfig,
    CaptionsConfig,
    GenerateConfig,
    GeneratorConfig,
    ModelConfig,
    SamplingConfig,
)
from ldm3d.images import decode_depth, decode_rgb
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.toy.diffusion_model import make_base_model
from pipelines.evaluation.picture_sets import open_sets
from pipelines.generate import generate
from pipelines.samples.finish import finished_summary
from pipelines.samples.plan import GeneratePlan
from pipelines.storage.folder import Folder
from pipelines.storage.models import open_model, write_training_step
from pipelines.storage.shards import claim
from tests import ROOT

POINTS = ["ddim-s1-n2", "ddim-s1-n3", "ddim-s4-n2", "ddim-s4-n3"]
CAPTIONS = [
    {"id": 37, "image_id": 9, "caption": "A red cube under a day sky"},
    {"id": 41, "image_id": 9, "caption": "a sphere on a green floor"},
    {"id": 44, "image_id": 7, "caption": " "},
    {"id": 50, "image_id": 8, "caption": "a blue cube"},
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> GenerateConfig:
    """Captions as COCO has them, one of them empty, and models with random weights."""
    root = tmp_path_factory.mktemp("samples")
    (root / "captions.json").write_text(json.dumps({"annotations": CAPTIONS}))
    for seed, name in enumerate(("model", "other")):
        make_base_model(root / f"{name}-base", seed)
        save_pipeline(root / name, load_base(ModelConfig(base=str(root / f"{name}-base"))))
    return GenerateConfig(
        input=str(root / "captions.json"),
        output=str(root / "made"),
        shard_samples=4,
        model=GeneratorConfig(model=(str(root / "model"),), precision="fp32"),
        captions=CaptionsConfig(per_caption=3, seed=5),
        sampling=SamplingConfig(
            num_inference_steps=(2, 3), guidance_scale=(1.0, 4.0), height=16, width=16, batch_size=3
        ),
        cluster=ActorsConfig(no_progress_timeout_s=120),
    )


@pytest.fixture(scope="module")
def made(config) -> dict[str, Any]:
    return generate(config)


def rows_of(output: str, point: str) -> list[dict[str, Any]]:
    files = sorted(Path(output, "samples", point).iterdir())
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def contents(folder: str) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in Path(folder).rglob("*.parquet")}


def times(folder: str) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in Path(folder).rglob("*.*")}


def test_every_sample_is_there_once_at_every_point_of_the_grid(config, made):
    wanted = sorted((row["id"], row["image_id"], number) for row in CAPTIONS if row["id"] != 44 for number in range(3))
    noise = set()
    for point in POINTS:
        rows = rows_of(config.output, point)
        assert sorted((row["key"], row["image_id"], row["number"]) for row in rows) == wanted
        noise.add(tuple(row["seed"] for row in rows))
        assert {f"ddim-s{row['guidance_scale']:g}-n{row['num_inference_steps']}" for row in rows} == {point}
        assert {row["checkpoint"] for row in rows} == {made["model"]["fingerprint"]}
    (seeds,) = noise  # the same at all points
    assert len(set(seeds)) == 9
    (reject,) = pq.read_table(f"{config.output}/rejects/captions/00000.parquet").to_pylist()
    assert (reject["key"], reject["reason"]) == (44, "invalid_row")
    assert (made["rows_read"], made["rows_kept"], made["rows_rejected"]) == (36, 36, {})
    assert {point: about["rows"] for point, about in made["points"].items()} == dict.fromkeys(POINTS, 9)


def test_samples_are_those_of_the_pipeline_at_their_seed(config, made):
    pipeline = RgbdPipeline.from_pretrained(*config.model.model)
    row = rows_of(config.output, "ddim-s4-n3")[4]
    alone = pipeline(
        row["caption"],
        seed=row["seed"],
        guidance_scale=4.0,
        num_inference_steps=3,
        height=16,
        width=16,
        output_type="np",
    )
    image, depth = decode_rgb(row["image"]["bytes"]), decode_depth(row["depth"]["bytes"])
    assert np.abs(image.astype(int) - alone.images[0]).max() <= 1  # to rounding, as the batch differs
    assert np.abs((depth >> 8).astype(int) - (alone.depths[0] >> 8)).max() <= 1


def test_the_success_marker_says_what_evaluation_has_to_know(config, made):
    assert json.loads(Path(config.output, "_SUCCESS.json").read_text()) == made
    assert made["model"]["fingerprint"] == open_model(*config.model.model).fingerprint()
    assert made["captions"]["drawn"] == 3
    assert made["image_size"] == [16, 16]
    assert made["points"]["ddim-s4-n2"] == {
        "scheduler": "ddim",
        "guidance_scale": 4.0,
        "num_inference_steps": 2,
        "checkpoint": made["model"]["fingerprint"],
        "training_step": None,
        "rows": 9,
    }


def test_a_person_sees_a_picture_of_each_point(config, made):
    for point in POINTS:
        assert cv2.imread(f"{config.output}/pictures/{point}.png").std() > 10
    assert "ddim-s4-n3" in Path(config.output, "README.md").read_text()


def test_it_opens_in_hugging_face_datasets(config, made, tmp_path):
    opened = datasets.load_dataset(config.output, cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in opened.items()} == {point.replace("-", "_"): 9 for point in POINTS}
    row = opened["ddim_s4_n2"][0]
    assert (row["image"].mode, row["image"].size) == ("RGB", (16, 16))
    stored = decode_depth(rows_of(config.output, "ddim-s4-n2")[0]["depth"]["bytes"])
    assert np.array_equal(np.asarray(row["depth"]), stored)


def test_a_finished_run_does_nothing_when_it_is_run_again(config, made):
    before = times(config.output)
    assert generate(config) == made
    assert times(config.output) == before


def test_a_dry_run_says_what_would_be_drawn_and_writes_nothing(config, tmp_path):
    said = generate(replace(config, output=str(tmp_path / "out")), dry_run=True)
    assert (said["rows_read"], said["image_size"], said["captions"]["rejected"]) == (36, [16, 16], 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("lost", ["README.md", "pictures/ddim-s1-n3.png"])
def test_without_its_card_or_a_picture_it_is_not_finished(config, made, tmp_path, lost):
    output, shards = shutil.copytree(config.output, tmp_path / "copy"), GeneratePlan.of(config).shards
    assert finished_summary(Folder(str(output)), shards) == made
    (output / lost).unlink()
    assert finished_summary(Folder(str(output)), shards) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"captions": CaptionsConfig(per_caption=3, seed=6)}, "--captions.seed was 5, is 6"),
        ({"shard_samples": 5}, "--shard-samples was 4, is 5"),
        ({"model": "other"}, "--model.model is another model than then"),
        ({"input": "another"}, "--input holds something else than then"),
    ],
)
def test_other_settings_another_model_or_captions_are_refused(config, made, tmp_path, change, named):
    if "model" in change:
        change = {"model": replace(config.model, model=(str(Path(config.input).with_name("other")),))}
    if "input" in change:
        other = [row | {"caption": row["caption"].upper()} for row in CAPTIONS]
        (tmp_path / "captions.json").write_text(json.dumps({"annotations": other}))
        change = {"input": str(tmp_path / "captions.json")}
    with pytest.raises(ValueError, match=f"--output .*: {named}"):
        generate(replace(config, **change))


@pytest.fixture(scope="module")
def grid(config, tmp_path_factory) -> GenerateConfig:
    """Two checkpoints of a training, one of which is its end, and a baseline without depth."""
    root, models = tmp_path_factory.mktemp("grid"), Path(config.input).parent
    shutil.copytree(models / "other", root / "step-400")
    write_training_step(Folder(str(root / "step-400")), 400)
    shutil.copytree(models / "model", root / "run/model")
    (root / "run/_SUCCESS.json").write_text(json.dumps({"steps": 900, "finished": True}))
    places = (f"{root}/step-400", f"end={root}/run/model", f"sd={models}/model-base")
    sampling = replace(config.sampling, num_inference_steps=(2,), guidance_scale=(4.0,))
    return replace(config, output=str(root / "made"), sampling=sampling, model=replace(config.model, model=places))


@pytest.fixture(scope="module")
def grid_made(grid) -> dict[str, Any]:
    return generate(grid)


NAMES = ["step-400-ddim-s4-n2", "end-ddim-s4-n2", "sd-ddim-s4-n2"]


def test_several_checkpoints_are_part_of_the_grid(config, made, grid, grid_made, tmp_path):
    points = grid_made["points"]
    assert [(name, about["training_step"], about["rows"]) for name, about in points.items()] == [
        (name, step, 9) for name, step in zip(NAMES, (400, 900, None), strict=True)
    ]
    models = grid_made["models"]
    for name, model in zip(NAMES, models, strict=True):
        rows, print_ = rows_of(grid.output, name), models[model]["fingerprint"]
        assert {row["checkpoint"] for row in rows} == {points[name]["checkpoint"]} == {print_}
        stored = pq.read_schema(next(Path(grid.output, "samples", name).iterdir())).metadata[b"model"]
        assert json.loads(stored) == models[model]
    alone = [row["image"] for row in rows_of(config.output, "ddim-s4-n2")]
    assert [row["image"] for row in rows_of(grid.output, "end-ddim-s4-n2")] == alone
    assert [row["image"] for row in rows_of(grid.output, "step-400-ddim-s4-n2")] != alone
    found = {each.name: each.about for each in open_sets(f"ours={grid.output}", 8, "--input")}
    assert {name: about["training_step"] for name, about in found.items()} == {
        f"ours/{name}": about["training_step"] for name, about in points.items()
    }


def test_a_baseline_draws_no_depth_and_opens_beside_the_others(grid, grid_made, tmp_path):
    assert {row["depth"] for row in rows_of(grid.output, "sd-ddim-s4-n2")} == {None}
    (baseline,) = (each for each in open_sets(grid.output, 8, "--input") if "/sd-" in each.name)
    assert "depth" not in baseline.columns
    opened = datasets.load_dataset(grid.output, cache_dir=str(tmp_path))
    assert opened["sd_ddim_s4_n2"][0]["depth"] is None
    assert opened["sd_ddim_s4_n2"][0]["image"].size == opened["end_ddim_s4_n2"][0]["depth"].size == (16, 16)
    sheets = [cv2.imread(f"{grid.output}/pictures/{name}.png") for name in NAMES]
    assert sheets[2].shape[1] < sheets[1].shape[1]
    assert "null for models that draw none" in Path(grid.output, "README.md").read_text()


def test_a_run_that_lost_shards_does_these_again_alike_on_two_actors(grid, grid_made, tmp_path):
    output = str(shutil.copytree(grid.output, tmp_path / "copy"))
    for name in ("step-400-ddim-s4-n2-00001", "end-ddim-s4-n2-00000", "sd-ddim-s4-n2-00002"):
        Folder(output).delete(f"_state/shards/{name}.json")
    Folder(output).delete("_state/samples")
    Folder(output).delete("samples/end-ddim-s4-n2/00002.parquet")
    Folder(output).write("samples/sd-ddim-s4-n2/00001.parquet", b"PAR1 cut short")
    before = times(output)
    two = replace(grid, output=output, cluster=replace(grid.cluster, gpus=0, actors=2))
    assert generate(two) == grid_made
    assert contents(output) == contents(grid.output)
    assert times(output)["samples/end-ddim-s4-n2/00001.parquet"] == before["samples/end-ddim-s4-n2/00001.parquet"]
    named = ["--model.model named end= then", "--model.model named sd= then", "--model.model did not name new= then"]
    with pytest.raises(ValueError, match=re.escape("; ".join(named))):
        generate(replace(two, model=replace(grid.model, model=(grid.model.model[0], f"new={grid.model.model[0]}"))))


def test_models_of_different_sizes_are_refused(grid, tmp_path):
    small = Path(shutil.copytree(grid.model.model[0], tmp_path / "small"))
    settings = json.loads((small / "unet/config.json").read_text())
    (small / "unet/config.json").write_text(json.dumps(settings | {"sample_size": 4}))
    models = replace(grid.model, model=(grid.model.model[0], str(small)))
    sampling = replace(grid.sampling, height=None, width=None)
    with pytest.raises(ValueError, match="pictures of several sizes"):
        generate(replace(grid, output=str(tmp_path / "out"), model=models, sampling=sampling))


def test_a_run_that_is_taken_over_ends_with_a_code_of_its_own(config, made, tmp_path, monkeypatch, capsys):
    """What it has done is kept."""
    output = Folder(str(tmp_path / "out"))

    def take_over() -> None:
        while not output.sizes("_state/shards"):
            time.sleep(0.01)
        claim(output, "new", {})

    thread = threading.Thread(target=take_over, daemon=True)
    thread.start()
    flags = {
        "--input": config.input,
        "--output": output.url,
        "--shard-samples": 4,
        "--model.model": config.model.model[0],
        "--model.precision": "fp32",
        "--captions.per-caption": 3,
        "--captions.seed": 5,
        "--sampling.num-inference-steps": "2 3",
        "--sampling.guidance-scale": "1 4",
        "--sampling.height": 16,
        "--sampling.width": 16,
        "--sampling.batch-size": 3,
        "--cluster.gpus": 0,  # pytest keeps the exception, and with it the actor of this run
    }
    line = " ".join(f"{flag} {value}" for flag, value in flags.items())
    monkeypatch.setattr("sys.argv", ["jobs.generate", *line.split()])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("jobs.generate", run_name="__main__")
    thread.join()
    said = capsys.readouterr().err
    assert stopped.value.code == 3, said[-2000:]
    assert "was taken over by run new" in said.strip().splitlines()[-1]
    assert not output.exists("_SUCCESS.json")
    kept = times(str(tmp_path / "out/_state/shards"))
    assert generate(replace(config, output=output.url)) == made
    assert kept.items() <= times(str(tmp_path / "out/_state/shards")).items()
    assert [row for point in POINTS for row in rows_of(output.url, point)] == [
        row for point in POINTS for row in rows_of(config.output, point)
    ]


def test_a_model_on_an_object_store_is_the_same(config, s3):
    url = "s3://models/toy"
    Folder(url).fs.mkdir("models")
    root = Path(*config.model.model)
    for file in root.rglob("*.*"):
        Folder(url).write(str(file.relative_to(root)), file.read_bytes())
    assert open_model(url).fingerprint() == open_model(*config.model.model).fingerprint()
    with pytest.raises(ValueError, match=r"there is no model_index.json in"):
        open_model("s3://models/elsewhere")


def test_a_prompt_is_drawn_to_files_without_a_cluster(config, tmp_path):
    """In a process where Ray cannot be imported."""
    code = (
        "import sys; sys.modules['ray'] = None; import runpy; runpy.run_module('jobs.generate', run_name='__main__')"
    )
    settings = {
        "--prompt": "a red cube",
        "--output": tmp_path,
        "--model.model": config.model.model[0],
        "--captions.per-caption": 2,
        "--captions.seed": 7,
        "--sampling.num-inference-steps": 2,
    }
    command = [sys.executable, "-c", code, "--json", *(str(word) for pair in settings.items() for word in pair)]
    said = json.loads(subprocess.check_output(command, cwd=ROOT, text=True))
    assert [(sample["number"], sample["seed"]) for sample in said["samples"]] == [(0, 7), (1, 8)]
    names = [f"00{number}{kind}.png" for number in range(2) for kind in ("", "-both", "-depth")]
    assert [said["samples"][1][kind] for kind in ("image", "both", "depth")] == [f"{tmp_path}/{n}" for n in names[3:]]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)
    pipeline = RgbdPipeline.from_pretrained(*config.model.model)
    wanted = pipeline("a red cube", num_images_per_prompt=2, seed=7, num_inference_steps=2, output_type="np")
    depth = cv2.imread(str(tmp_path / "001-depth.png"), cv2.IMREAD_UNCHANGED)
    assert (depth.dtype, depth.shape) == (np.uint16, (32, 32))
    assert np.array_equal(depth, wanted.depths[1])
    assert np.array_equal(cv2.imread(str(tmp_path / "001.png"))[..., ::-1], wanted.images[1])
    assert cv2.imread(str(tmp_path / "001-both.png")).shape == (256, 512, 3)
