"""The next command is one that the reader can type: with a checkout or without."""

import json
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cli.ending import ending
from jobs.cli.next_commands import command
from jobs.command import parse
from ldm3d.config import (
    AutoencoderConfig,
    CorpusConfig,
    DiffusionConfig,
    GenerateConfig,
    LabelConfig,
    LatentsConfig,
    TrainedAutoencoderConfig,
    stage_of,
    to_json,
)
from ldm3d_on_ray.__main__ import PROGRAM
from pipelines.storage.folder import Folder
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import save_config
from tests import ROOT

FLAGS = {"input": "in", "output": "my runs/out"}
TRAINED = {"steps": 7, "finished": True}


def autoencoder_of(training: AutoencoderConfig) -> TrainedAutoencoderConfig:
    return TrainedAutoencoderConfig(autoencoder=training.output)


def test_a_checkout_calls_modules(monkeypatch):
    monkeypatch.setattr("sys.argv", ["jobs/generate.py"])
    assert command("evaluate", FLAGS) == "python -m jobs.evaluate --input in --output 'my runs/out'"


def test_an_installed_command_names_itself(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/ldm3d-on-ray generate"])
    assert command("evaluate", FLAGS) == "ldm3d-on-ray evaluate --input in --output 'my runs/out'"


def test_a_script_with_a_space_in_its_name_is_no_installed_command(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/home/me/my jobs/draw it.py"])
    assert command("evaluate", FLAGS).startswith("python -m jobs.evaluate ")


def test_the_name_of_the_installed_command_is_written_once():
    """The command tells the stages its name, so that they need no copy of it."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"] == PROGRAM
    copies = [file for file in (ROOT / "jobs").rglob("*.py") if f'"{PROGRAM}"' in file.read_text()]
    assert copies == []


@pytest.fixture
def submitted(tmp_path, monkeypatch) -> Path:
    """The folder that Ray starts a submitted command in, a temporary copy of what was sent."""
    copy = tmp_path / "session/runtime_resources/working_dir_files/_ray_pkg_0123456789abcdef"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    sent = {"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip"}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps({"runtime_env": sent, "metadata": {}}))
    return copy


def said_after(config, result) -> list[str]:
    """The next commands, to the start and end of the line."""
    lines = ending(config, result, dry_run=False).splitlines()
    return [line.removeprefix("next").lstrip() for line in lines if "python -m jobs." in line]


def begun(config) -> None:
    save_config(Folder(config.output), {"stage": stage_of(type(config))}, to_json(config))


def test_after_a_submitted_job_the_next_ones_are_submitted_with_the_same_paths(submitted, tmp_path):
    label = LabelConfig(depth_model="/shared/models/depth")
    corpus = CorpusConfig(input="sent.csv", output=f"{tmp_path}/shared/corpus", preset="toy", label=label)
    commands = said_after(corpus, {"rows_read": 7, "rows_kept": 7})
    assert len(commands) == 2
    for line in commands:
        assert line.startswith("ray job submit --working-dir . -- python -m jobs.")
        words = shlex.split(line)
        assert words[words.index("--input") + 1] == corpus.output
        assert str(submitted) not in line
    assert commands[0].endswith("--model.base /shared/models/base")
    assert "--model.base" not in commands[1]


def test_an_output_that_was_made_of_something_else_is_not_proposed_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = (AutoencoderConfig(input="runs/corpus", output=f"runs/{name}") for name in ("ae", "ae-long"))
    latents = LatentsConfig(input="runs/corpus", output="runs/latents", model=autoencoder_of(first))
    begun(with_absolute_paths(latents))
    assert "--output runs/latents " in said_after(first, TRAINED)[0]
    (line,) = said_after(second, TRAINED)
    assert "--output runs/latents-2 " in line
    begun(with_absolute_paths(replace(latents, output="runs/latents-2")))
    assert "--output runs/latents-3 " in said_after(second, TRAINED)[0]
    begun(with_absolute_paths(replace(latents, output="runs/latents-3", model=autoencoder_of(second))))
    assert "--output runs/latents-3 " in said_after(second, TRAINED)[0]


def test_what_was_sent_with_the_job_is_named_as_it_was_typed(submitted, tmp_path):
    """The settings of an output hold it as a path into Ray's folder, which is gone after the job."""
    latents = LatentsConfig(input=f"{submitted}/corpus", output=f"{tmp_path}/shared/latents")
    begun(latents)
    samples = GenerateConfig(input=f"{latents.output}/latents/val", output=f"{tmp_path}/shared/samples")
    Path(samples.input).mkdir(parents=True)
    points = {"ddim-s5-n50": {"rows": 7}}
    (line,) = said_after(samples, {"rows_read": 7, "rows_kept": 7, "points": points})
    assert "--reference corpus/rgbd/val" in line
    assert "working_dir_files" not in line


def test_a_base_that_was_sent_with_an_earlier_job_is_looked_for_in_what_is_sent_now(submitted, tmp_path):
    flags = ["--input", "in", "--output", f"{tmp_path}/autoencoder"]
    begun(parse(AutoencoderConfig, [*flags, "--model.base", f"{submitted}/runs/demo/models/base"]).config)
    latents = LatentsConfig(input="in", output=f"{tmp_path}/latents")
    begun(parse(LatentsConfig, ["--input", "in", "--output", latents.output, "--model.autoencoder", flags[-1]]).config)
    found = parse(DiffusionConfig, ["--input", latents.output, "--output", "out"]).config
    assert found.model.base == "runs/demo/models/base"


def test_a_prompt_for_a_model_on_shared_storage_is_submitted_and_for_one_in_a_store_drawn_here(submitted, tmp_path):
    """Its pictures go beside a model on the cluster's disk; a store can be read from where the command is typed."""
    result = {"steps": 7, "finished": True}
    shared, stored = (
        said_after(DiffusionConfig(input="in", output=output), result)[0]
        for output in (f"{tmp_path}/diffusion", "s3://runs/diffusion")
    )
    assert shared.startswith("ray job submit --working-dir . -- python -m jobs.generate --prompt")
    assert f"--output {tmp_path}/pictures" in shared
    assert stored.startswith("python -m jobs.generate --prompt")
    assert "--output pictures --model.model s3://runs/diffusion/model" in stored
