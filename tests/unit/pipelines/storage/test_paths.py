"""Every local path of every stage's settings is absolute before workers, which may run elsewhere, see it."""

import os
from dataclasses import replace

import pytest

from ldm3d.config import (
    AutoencoderConfig,
    AutoencoderLossConfig,
    CorpusConfig,
    DiffusionConfig,
    DiffusionModelConfig,
    EvaluateConfig,
    GenerateConfig,
    GeneratorConfig,
    LabelConfig,
    LatentsConfig,
    ModelConfig,
    PerceptualConfig,
    ReconstructionConfig,
    TrainedAutoencoderConfig,
    to_json,
)
from pipelines.storage.paths import with_absolute_paths


@pytest.fixture
def here(tmp_path, monkeypatch) -> str:
    """The folder in which the driver runs, with a model."""
    (tmp_path / "here/model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    return os.getcwd()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: CorpusConfig(input=path, output=path, label=LabelConfig(depth_model=path)),
        lambda path: AutoencoderConfig(
            input=path,
            output=path,
            model=ModelConfig(base=path),
            loss=AutoencoderLossConfig(perceptual=PerceptualConfig(weights=path)),
        ),
        lambda path: LatentsConfig(input=path, output=path, model=TrainedAutoencoderConfig(autoencoder=path)),
        lambda path: DiffusionConfig(input=path, output=path, model=DiffusionModelConfig(base=path, autoencoder=path)),
        lambda path: GenerateConfig(input=path, output=path, model=GeneratorConfig(model=(path, f"other={path}"))),
        lambda path: EvaluateConfig(
            output=path, reconstruction=ReconstructionConfig(models=(path, f"other={path}"), corpus="corpus")
        ),
    ],
)
def test_marked_settings_are_made_absolute(here, make):
    assert with_absolute_paths(make("model")) == make(f"{here}/model")


def test_what_is_no_local_path_stays_as_it_is(here):
    config = LatentsConfig(input="s3://corpora/laion", output="s3://corpora/latents")
    assert to_json(with_absolute_paths(config)) == to_json(config)
    named = GenerateConfig(
        output=f"{here}/out", prompt="a lemon", model=GeneratorConfig(model=("Intel/ldm3d", "sd=x/y"))
    )
    assert with_absolute_paths(named) == named


def test_an_output_need_not_be_there_yet(here):
    made = with_absolute_paths(CorpusConfig(input="model", output="new/../corpus"))
    assert made == replace(made, input=f"{here}/model", output=f"{here}/corpus")
