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
    PicturesConfig,
    ReconstructionConfig,
    TrainedAutoencoderConfig,
    to_json,
)
from pipelines.storage.paths import absolute, with_absolute_paths


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
        lambda path: GenerateConfig(input=path, output=path, model=GeneratorConfig(model=(path,))),
    ],
)
def test_marked_settings_are_made_absolute(here, make):
    assert with_absolute_paths(make("model")) == make(f"{here}/model")


def test_sets_of_pictures_keep_the_names_that_they_were_given_and_get_no_others(here):
    """A set without a NAME is named after its folder, which its absolute path still tells."""

    def sets(place: str) -> EvaluateConfig:
        return EvaluateConfig(
            input=(f"{place}model", f"ours={place}model"),
            output=f"{place}out",
            reference=f"real={place}model",
            pictures=PicturesConfig(keys=f"{place}keys.parquet"),
            reconstruction=ReconstructionConfig(models=("a/b",), corpus=f"{place}corpus"),
        )

    made = with_absolute_paths(sets(""))
    assert replace(made, reconstruction=replace(made.reconstruction, models=("a/b",))) == sets(f"{here}/")
    elsewhere = EvaluateConfig(output="s3://out", input=("ours=s3://samples", "s3://a=b"), reference="s3://real")
    assert with_absolute_paths(elsewhere) == elsewhere


def test_names_of_models_are_written_out_before_their_paths_change(here):
    """The name of a relative `model` is not that of the folder around it."""
    given = ("model", "other=model", "Intel/ldm3d")
    absolute = (f"model={here}/model", f"other={here}/model", "ldm3d=Intel/ldm3d")
    several = GenerateConfig(output="out", prompt="a lemon", model=GeneratorConfig(model=given))
    assert with_absolute_paths(several).model.model == absolute
    measured = EvaluateConfig(output="out", reconstruction=ReconstructionConfig(models=given, corpus="corpus"))
    assert with_absolute_paths(measured).reconstruction.models == absolute
    one = GenerateConfig(output="out", prompt="a lemon", model=GeneratorConfig(model=("other=model",)))
    assert with_absolute_paths(one).model.model == (f"{here}/model",)


def test_the_output_of_a_training_stands_for_the_model_in_it(here):
    for name in ("run/model/model_index.json", "whole/model_index.json", "whole/model/model_index.json"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        open(name, "w").close()
    assert absolute("run") == f"{here}/run/model"
    assert absolute("whole") == f"{here}/whole"
    assert absolute("run/model") == f"{here}/run/model"


def test_a_path_that_cannot_be_looked_at_is_left_to_whoever_opens_it(here):
    config = CorpusConfig(input="model", output="out", label=LabelConfig(depth_model="m" * 300))
    assert with_absolute_paths(config).label.depth_model == "m" * 300


def test_what_is_no_local_path_stays_as_it_is(here):
    config = LatentsConfig(input="s3://corpora/laion", output="s3://corpora/latents")
    assert to_json(with_absolute_paths(config)) == to_json(config)
    named = GenerateConfig(output=f"{here}/out", prompt="a lemon", model=GeneratorConfig(model=("Intel/ldm3d",)))
    assert with_absolute_paths(named) == named


def test_an_output_need_not_be_there_yet(here):
    made = with_absolute_paths(CorpusConfig(input="model", output="new/../corpus"))
    assert made == replace(made, input=f"{here}/model", output=f"{here}/corpus")
