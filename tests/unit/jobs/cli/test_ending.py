"""A job ends with what it made, what to look at, and commands that the next jobs take as they are."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cli.ending import ending
from jobs.cli.next_commands import beside
from jobs.command import parse, run
from jobs.demo.to_try import to_try
from ldm3d.config import (
    AutoencoderConfig,
    CorpusConfig,
    DepthFusionConfig,
    DiffusionConfig,
    EvaluateConfig,
    ExportConfig,
    ExportsConfig,
    GenerateConfig,
    LabelConfig,
    LatentsConfig,
    stage_of,
    to_json,
)
from pipelines.storage.folder import Folder
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import save_config
from tests import ROOT

CLASSES = (
    CorpusConfig,
    AutoencoderConfig,
    LatentsConfig,
    DiffusionConfig,
    ExportConfig,
    GenerateConfig,
    EvaluateConfig,
    DepthFusionConfig,
)
CLASS_OF = {stage_of(each): each for each in CLASSES}
CORPUS = {
    "rows_read": 1_024,
    "rows_kept": 812,
    "rows_rejected": {"not_found": 212},
    "splits": {"train": 650, "val": 162},
}
TRAINED = {"steps": 1_624, "finished": True, "validation": {"psnr_db": 32.91}}
LATENTS = {"rows_read": 812, "rows_kept": 812, "rows_rejected": {}, "splits": {"train": 650, "val": 162}}
SAMPLES = {"rows_read": 162, "rows_kept": 162, "points": {"ddim-s5-n50": {"rows": 162}}}


def commands_in(said: str) -> list[list[str]]:
    return [shlex.split(line, comments=True) for line in re.findall(r"python -m jobs\..*", said)]


def configs_in(said: str) -> list:
    """The commands that are named, as their jobs parse them."""
    return [parse(CLASS_OF[words[2].removeprefix("jobs.")], words[3:]).config for words in commands_in(said)]


def begun(config) -> None:
    """An output, with its settings as stages keep them, and the folder in it that later jobs read."""
    config = with_absolute_paths(config)
    identity = getattr(config, "identity", dict)() | {"stage": stage_of(type(config))}
    save_config(Folder(config.output), identity, to_json(config))
    inside = {CorpusConfig: "rgbd/val", LatentsConfig: "latents/val", DiffusionConfig: "model"}.get(type(config), ".")
    Path(config.output, inside).mkdir(parents=True, exist_ok=True)


def test_each_command_that_is_named_is_one_that_its_job_takes_to_the_end_of_the_line(tmp_path, monkeypatch):
    """From the corpus on, every path and the preset come from the words of the job before."""
    monkeypatch.chdir(tmp_path)
    line = ["--preset", "toy", "--input", "metadata", "--output", "my runs/corpus"]
    results = {LatentsConfig: LATENTS, GenerateConfig: SAMPLES, EvaluateConfig: {"verdict": "new", "results": []}}
    config, visited = parse(CorpusConfig, line).config, []
    todo = [(config, CORPUS)]
    while todo:
        config, result = todo.pop(0)
        assert config.preset == "toy"
        if type(config) in visited or getattr(config, "prompt", None):
            continue
        visited.append(type(config))
        begun(config)
        said = ending(config, result, dry_run=False)
        todo += [(each, results.get(type(each), TRAINED)) for each in configs_in(said)]
    assert visited == [CorpusConfig, AutoencoderConfig, LatentsConfig, DiffusionConfig, GenerateConfig, EvaluateConfig]
    assert (config.input, config.reference) == (("my runs/samples",), "my runs/corpus/rgbd/val")


def test_a_corpus_says_what_it_holds_and_what_to_look_at():
    said = ending(CorpusConfig(input="in", output="runs/corpus/"), CORPUS, dry_run=False)
    assert "runs/corpus holds 812 pictures with depth, of 1,024 rows (train 650, val 162)." in said
    assert "Rejected: 212 (not_found 212)." in said
    assert "runs/corpus/contact_sheet.png" in said


def test_a_prompt_is_proposed_that_is_like_the_captions_of_the_training():
    config = DiffusionConfig(input="in", output="out", preset="toy")
    long, odd, short = "word " * 40, "two\nlines", "a lighthouse at the end of a pier"
    (first, *_) = configs_in(ending(config, TRAINED | {"captions": [long, odd, short, "a boat"]}, dry_run=False))
    assert first.prompt == short
    (first, *_) = configs_in(ending(config, TRAINED, dry_run=False))  # of an output that does not say them
    assert first.prompt == "a lemon on a wooden table"


def test_an_evaluation_says_the_first_of_its_numbers():
    found = [
        {"pictures": "ours", "metric": "fid", "value": 27.8149, "num_samples": 2_000},
        {"pictures": "ours", "metric": "clip", "value": 26.614, "num_samples": 2_000},
        {"pictures": "ours", "metric": "edge_f1", "value": 0.5, "num_samples": 2_000},
        {"pictures": "theirs", "metric": "fid", "value": None, "num_samples": 0},
    ]
    config = EvaluateConfig(input=("ours",), output="out")
    result = {"verdict": "new", "results": found, "surrogate": ["clip"]}
    said = ending(config, result, dry_run=False)
    assert said.startswith("\nours: FID-2k 27.81, CLIP (surrogate) 26.61\nNumbers in the report: 4.")


def test_the_numbers_of_a_validation_have_units():
    measured = {"reconstruction": 4_234.4, "psnr_db": 32.914, "depth_l1": 0.017}
    said = ending(AutoencoderConfig(input="in", output="out"), TRAINED | {"validation": measured}, dry_run=False)
    assert "Validation: reconstruction loss 4234, PSNR 32.91 dB, depth L1 0.017 of 1." in said


def test_of_the_toys_depth_it_is_said_that_it_knows_drawn_scenes_only():
    toy, real = (CorpusConfig(input="in", output="out", preset=preset) for preset in ("toy", "ldm3d"))
    own = replace(toy, label=LabelConfig(column="depth"))
    said = [ending(config, CORPUS, dry_run=False) for config in (toy, real, own)]
    assert ["drawn scenes only" in each for each in said] == [True, False, False]


def test_a_corpus_without_pictures_names_nothing_that_would_fail():
    empty = CORPUS | {"rows_kept": 0, "splits": {}}
    said = ending(CorpusConfig(input="in", output="out"), empty, dry_run=False)
    assert commands_in(said) == []
    assert "contact_sheet" not in said


def test_a_cluster_that_was_named_is_named_again():
    line = ["--input", "in", "--output", "out", "--cluster.address", "ray://head:10001"]
    train, encode = configs_in(ending(parse(CorpusConfig, line).config, CORPUS, dry_run=False))
    assert train.workers.address == encode.cluster.address == "ray://head:10001"


def test_the_files_of_a_prompt_are_named():
    config = GenerateConfig(output="out", prompt="a cube")
    sample = {"is_finite": True, "image": "out/000.png", "depth": "out/000-depth.png", "both": "out/000-both.png"}
    said = ending(config, {"samples": [sample, {"is_finite": False}]}, dry_run=False)
    assert all(file in said for file in ("out/000.png ", "out/000-depth.png ", "out/000-both.png "))
    assert "not written: 1" in said


@pytest.mark.parametrize(
    ("stage", "inside"), [("train_diffusion", "generate"), ("train_autoencoder", "encode_latents")]
)
def test_an_export_is_used_for_what_it_is(stage, inside, tmp_path):
    begun(CLASS_OF[stage](input="corpus", output=f"{tmp_path}/run"))
    config = ExportConfig(input=f"{tmp_path}/run", output=f"{tmp_path}/export")
    (words,) = commands_in(ending(config, {"step": 7, "output": config.output}, dry_run=False))
    assert words[2] == f"jobs.{inside}"
    assert config.output in words


def test_paths_are_shown_as_they_were_typed_where_only_settings_know_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun(AutoencoderConfig(input="runs/corpus", output="runs/autoencoder"))
    for folder, shown in (("runs", "runs/corpus"), (f"{tmp_path}/runs", f"{tmp_path}/runs/corpus")):
        config = ExportConfig(input=f"{folder}/autoencoder", output=f"{folder}/export")
        (encode,) = configs_in(ending(config, {"step": 7, "output": config.output}, dry_run=False))
        assert encode.input == shown


def test_a_dry_run_and_a_stop_promise_nothing():
    config = CorpusConfig(input="in", output="out")
    plan = {"rows_read": 1_700, "shards_at_most": 3}
    said = "\nThe plan: 1,700 rows, 3 shards at most. Nothing was written: the same command without --dry-run"
    assert ending(config, plan, dry_run=True).startswith(said)
    assert ending(config, {}, dry_run=True).startswith("\nNothing was written")
    training = AutoencoderConfig(input="in", output="out")
    assert ending(training, {"steps": 7, "finished": False}, dry_run=False) == ""


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("runs/corpus", "runs/latents"),
        ("runs/corpus/", "runs/latents"),
        ("corpus", "latents"),
        ("/corpus", "/latents"),
        ("s3://bucket/corpus", "s3://bucket/latents"),
        ("s3://bucket", "s3://bucket-latents"),
        ("runs/latents", "runs/latents-latents"),
    ],
)
def test_the_next_output_is_beside_the_last(output, wanted):
    assert beside(output, "latents") == wanted


def test_the_next_output_of_this_folder_is_not_in_it(tmp_path, monkeypatch):
    (tmp_path / "corpus").mkdir()
    monkeypatch.chdir(tmp_path / "corpus")
    assert beside(".", "latents") == str(tmp_path / "latents")


def test_a_person_gets_words_and_a_program_json_alone(monkeypatch, capsys):
    for flags, words in (([], True), (["--json"], False)):
        monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out", *flags])
        run(lambda config, *, dry_run: CORPUS, CorpusConfig, None)
        said = capsys.readouterr()
        assert (json.loads(said.out) if said.out else None) == (None if words else CORPUS)
        assert ("python -m jobs.train_autoencoder" in said.err) is words


def test_a_place_is_opened_by_its_page_and_many_by_theirs():
    facts = {"depth": {"nearest_m": 1.1, "farthest_m": 4.8}, "files": {"viewer.html": "a page"}}
    one = ending(DepthFusionConfig(input="room.png", output="place/"), facts, dry_run=False)
    assert "place is the place, 1.1 to 4.8 m from the eye: 1 files." in one
    assert "place/index.html " in one
    assert "_SUCCESS" not in one
    counts = {"rows_read": 4, "rows_kept": 3, "rows_rejected": {"bad_aspect_ratio": 1}}
    many = ending(DepthFusionConfig(input="rooms", output="places", prompt="a forest"), counts, dry_run=False)
    assert "places holds 3 places, of 4 pictures. Rejected: 1 (bad_aspect_ratio 1)." in many
    assert "places/index.html " in many
    assert "places/_SUCCESS.json " in many


def test_a_place_says_what_is_assumed_and_unknown_and_many_say_it_together():
    depth = {"nearest_m": 412.0, "farthest_m": 4_000.0, "unknown_share": 0.125, "metres_assumed": True}
    facts = {"depth": depth | {"perhaps_millimetres": True}, "files": {"viewer.html": "a page"}}
    one = ending(DepthFusionConfig(input="room.png", output="place"), facts, dry_run=False)
    assert "\nIts metres are assumed, as its depth is relative: --depth.near and --depth.far" in one
    assert "\nDepth is unknown in 12.5 % of the picture: nothing is seen there.\n" in one
    assert "\nNothing is nearer than 412 m, and its map holds whole numbers" in one
    assert "--depth.scale 0.001" in one
    depth = {"metres_assumed": 2, "unknown": 1, "unknown_share": 0.01, "redrawn": 0, "perhaps_millimetres": 0}
    counts = {"rows_read": 4, "rows_kept": 3, "rows_rejected": {"bad_aspect_ratio": 1}, "depth": depth}
    many = ending(DepthFusionConfig(input="rooms", output="places"), counts, dry_run=False)
    assert "\nThe metres of 2 places are assumed" in many
    assert "\nDepth was not given in 1 % of all pixels, in 1 place: nothing is seen there.\n" in many
    assert "millimetres" not in many


@pytest.mark.parametrize(
    ("formats", "walks"), [(None, True), (("viewer",), False), (("viewer", "stills"), False), (("film-3d",), True)]
)
def test_another_walk_is_proposed_only_where_a_film_was_made(formats, walks):
    facts = {"depth": {"nearest_m": 1.1, "farthest_m": 4.8}, "files": {"viewer.html": "a page"}}
    config = DepthFusionConfig(input="room.png", output="place", exports=ExportsConfig(formats=formats))
    (said,) = re.findall(r"^next +(.*)", ending(config, facts, dry_run=False), re.MULTILINE)
    assert ("--views.path" in said) == walks
    assert "--exports.formats writes" in said
    assert ("fewer" in said) == (formats is None)


def test_the_file_of_the_result_is_named_where_there_is_one():
    corpus = CorpusConfig(input="in", output="runs/corpus/")
    assert "runs/corpus/_SUCCESS.json " in ending(corpus, CORPUS, dry_run=False)
    export = ExportConfig(input="in", output="out")
    assert "_SUCCESS" not in ending(export, {"step": 7, "output": "out"}, dry_run=False)
    prompt = GenerateConfig(output="out", prompt="a cube")
    assert "_SUCCESS" not in ending(prompt, {"samples": []}, dry_run=False)


def test_a_result_of_an_older_version_is_no_silence():
    said = ending(EvaluateConfig(input="in", output="out"), {"run": "0123"}, dry_run=False)
    assert "out is finished." in said
    assert "out/_SUCCESS.json " in said


@pytest.mark.parametrize("stage", CLASS_OF)
def test_usage_is_what_to_type_however_a_job_is_called(stage):
    for how in (
        ["-m", f"jobs.{stage}"],
        ["-c", f"import runpy; runpy.run_module('jobs.{stage}', run_name='__main__')"],
    ):
        done = subprocess.run([sys.executable, *how, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.split()[:4] == ["usage:", "python", "-m", f"jobs.{stage}"]


def test_the_demo_ends_with_three_commands_that_leave_its_folder_alone(tmp_path):
    root = tmp_path / "runs/demo"
    for config in (
        CorpusConfig(input="in", output=f"{root}/scenes/corpus", preset="toy"),
        DiffusionConfig(input="in", output=f"{root}/diffusion", preset="toy"),
        GenerateConfig(input="in", output=f"{root}/samples", preset="toy"),
    ):
        begun(config)
    configs = configs_in("\n".join(to_try(root).values()))
    assert [type(each) for each in configs] == [GenerateConfig, AutoencoderConfig, EvaluateConfig]
    assert {each.preset for each in configs} == {"toy"}
    assert not [each.output for each in configs if each.output.startswith(str(root))]
