"""A preset is said once, for the corpus: what reads its output goes on with it."""

import dataclasses
import json
import logging
from pathlib import Path

import pytest

from jobs.command import parse
from ldm3d.config import (
    AutoencoderConfig,
    CorpusConfig,
    DepthFusionConfig,
    DiffusionConfig,
    EvaluateConfig,
    ExportConfig,
    GenerateConfig,
    LatentsConfig,
    presets_of,
    to_json,
)
from pipelines.storage.folder import Folder
from pipelines.storage.models import write_training_step
from pipelines.storage.run import check_output, save_config


def made(config, stage: str) -> str:
    """An output that was begun with these settings."""
    identity = getattr(config, "identity", dict)() | {"stage": stage}
    save_config(Folder(config.output), identity, to_json(config))
    return config.output


@pytest.fixture
def corpus(tmp_path) -> str:
    flags = ["--preset", "toy", "--input", "metadata", "--output", f"{tmp_path}/corpus"]
    return made(parse(CorpusConfig, flags).config, "rebuild_corpus")


@pytest.fixture
def latents(corpus, tmp_path) -> str:
    autoencoder = ["--input", corpus, "--output", f"{tmp_path}/autoencoder", "--model.base", "some/base"]
    made(parse(AutoencoderConfig, autoencoder).config, "train_autoencoder")
    flags = ["--input", corpus, "--output", f"{tmp_path}/latents", "--model.autoencoder", f"{tmp_path}/autoencoder"]
    return made(parse(LatentsConfig, flags).config, "encode_latents")


@pytest.mark.parametrize("config_class", [CorpusConfig, AutoencoderConfig, LatentsConfig, EvaluateConfig])
def test_what_reads_a_toy_corpus_is_as_with_the_preset_named(config_class, corpus):
    flags = ["--input", corpus, "--output", "out"]
    assert parse(config_class, flags).config == parse(config_class, ["--preset", "toy", *flags]).config
    assert parse(config_class, flags).config.preset == "toy"


def test_a_preset_reaches_the_end_of_the_line(latents, tmp_path):
    diffusion = parse(DiffusionConfig, ["--input", latents, "--output", f"{tmp_path}/diffusion"]).config
    assert diffusion.loop == presets_of(DiffusionConfig)["toy"]["loop"]
    run = made(diffusion, "train_diffusion")
    model = Path(run, "model")
    model.mkdir()
    drawn = parse(GenerateConfig, ["--prompt", "a cube", "--output", "out", "--model.model", str(model)]).config
    assert drawn.sampling == presets_of(GenerateConfig)["toy"]["sampling"]
    samples = made(
        parse(GenerateConfig, ["--input", "c.txt", "--output", f"{tmp_path}/s", "--model.model", f"x={model}"]).config,
        "generate",
    )
    measured = parse(EvaluateConfig, ["--input", f"ours={samples}", "other", "--output", "out"]).config
    assert measured.clip == presets_of(EvaluateConfig)["toy"]["clip"]


def test_an_exported_model_says_its_preset(tmp_path):
    write_training_step(Folder(str(tmp_path / "export")), 7, "train_diffusion", "toy")
    flags = ["--input", "c.txt", "--output", "out", "--model.model", f"{tmp_path}/export"]
    assert parse(GenerateConfig, flags).config.preset == "toy"


def test_the_u_net_starts_from_the_base_of_its_autoencoder(latents, corpus, tmp_path):
    assert parse(DiffusionConfig, ["--input", latents, "--output", "out"]).config.model.base == "some/base"
    given = ["--input", latents, "--output", "out", "--model.base", "another/base"]
    assert parse(DiffusionConfig, given).config.model.base == "another/base"
    of_pictures = ["--input", corpus, "--output", "out", "--model.autoencoder", f"{tmp_path}/autoencoder"]
    assert parse(DiffusionConfig, of_pictures).config.model.base == "some/base"


def test_the_channels_of_the_autoencoder_decide_over_those_of_the_corpus(corpus, tmp_path):
    flags = ["--preset", "ldm3d-4c", "--input", "metadata", "--output", f"{tmp_path}/four"]
    made(parse(AutoencoderConfig, flags).config, "train_autoencoder")
    encoded = ["--input", corpus, "--output", "out", "--model.autoencoder", f"{tmp_path}/four"]
    assert parse(LatentsConfig, encoded).config.preset == "ldm3d-4c"


def test_a_teacher_has_the_place_of_the_base(latents, caplog):
    flags = ["--input", latents, "--output", "out", "--distill.teacher", "runs/teacher"]
    with caplog.at_level(logging.INFO):
        parse(DiffusionConfig, flags)
    assert "--model.base" not in caplog.text  # the autoencoder's base is not proposed


def distilled(folder: Path) -> str:
    (folder / "scheduler").mkdir(parents=True)
    (folder / "scheduler/scheduler_config.json").write_text('{"_class_name": "LCMScheduler"}')
    return str(folder)


@pytest.mark.parametrize("config_class", [GenerateConfig, DepthFusionConfig])
@pytest.mark.parametrize("inside", ["", "model"])
def test_a_model_that_was_distilled_for_few_steps_is_drawn_so(config_class, inside, tmp_path, caplog):
    distilled(tmp_path / "run" / inside)
    flags = ["--prompt", "a cube", "--output", "out", "--model.model", f"{tmp_path}/run"]
    usual = parse(config_class, [*flags[:4], "--model.model", f"{tmp_path}/other"]).config.sampling
    with caplog.at_level(logging.INFO):
        found = parse(config_class, flags).config.sampling
    assert "4 steps" in caplog.text
    few = {"scheduler": "lcm", "num_inference_steps": (4,), "guidance_scale": (1.0,)}
    assert found == dataclasses.replace(usual, **few)
    other = parse(config_class, [*flags, "--sampling.num-inference-steps", "8", "--sampling.scheduler", "ddim"])
    eight = {"scheduler": "ddim", "num_inference_steps": (8,)}
    assert other.config.sampling == dataclasses.replace(found, **eight)


def test_a_grid_with_another_model_is_drawn_as_usual(tmp_path):
    distilled(tmp_path / "few")
    (tmp_path / "many").mkdir()
    flags = ["--prompt", "a cube", "--output", "out", "--model.model", f"{tmp_path}/few", f"{tmp_path}/many"]
    assert parse(GenerateConfig, flags).config.sampling.scheduler == "ddim"


def test_another_preset_than_that_of_the_input_is_a_warning_with_both(corpus, caplog):
    with caplog.at_level(logging.WARNING):
        parse(AutoencoderConfig, ["--preset", "toy", "--input", corpus, "--output", "out"])
        assert not caplog.messages
        found = parse(AutoencoderConfig, ["--preset", "ldm3d-4c", "--input", corpus, "--output", "out"])
    assert found.preset == "ldm3d-4c"
    assert found.config.model.channels == 4
    (told,) = caplog.messages
    assert told.startswith(f"--preset is ldm3d-4c, but --input '{corpus}' was made with toy")


def test_presets_that_share_a_corpus_do_not_warn(tmp_path, caplog):
    flags = ["--input", "metadata", "--output", f"{tmp_path}/corpus"]
    corpus = made(parse(CorpusConfig, flags).config, "rebuild_corpus")
    with caplog.at_level(logging.WARNING):
        parse(AutoencoderConfig, ["--preset", "ldm3d-4c", "--input", corpus, "--output", "out"])
    assert not caplog.messages


def test_an_output_is_continued_with_the_preset_that_it_was_begun_with(corpus, tmp_path):
    """Also where the preset was not that of the input."""
    line = ["--input", corpus, "--output", f"{tmp_path}/run"]
    begun = parse(AutoencoderConfig, ["--preset", "ldm3d-4c", *line]).config
    made(begun, "train_autoencoder")
    again = parse(AutoencoderConfig, line).config
    assert again == begun
    assert check_output(Folder(begun.output), again.identity() | {"stage": "train_autoencoder"})


@pytest.mark.parametrize(
    "config_class", [CorpusConfig, AutoencoderConfig, LatentsConfig, DiffusionConfig, GenerateConfig]
)
def test_the_name_of_a_preset_decides_nothing(config_class):
    """Outputs that were begun before it was kept can be continued."""
    settings = presets_of(config_class)["toy"]
    unnamed = config_class(input="in", output="out", **settings | {"preset": None})
    assert config_class(input="in", output="out", **settings).identity() == unnamed.identity()


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": "dpt"}', '{"identity": {}, "config": {}}'])
def test_what_says_nothing_of_a_preset_leaves_the_default(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    for given in (str(tmp_path), f"{tmp_path}/absent", "owner/name", "hf://datasets/owner/name", ""):
        found = parse(ExportConfig, ["--input", given, "--output", "out"])
        assert (found.preset, found.config.preset) == ("ldm3d", "ldm3d")


def test_a_store_that_cannot_be_read_leaves_the_default():
    assert parse(ExportConfig, ["--input", "nosuchstore://bucket/a", "--output", "out"]).preset == "ldm3d"


def test_config_json_holds_the_preset(corpus):
    assert json.loads(Path(corpus, "config.json").read_text())["config"]["preset"] == "toy"
