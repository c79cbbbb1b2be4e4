"""What takes no time to see is said first: before an input is read, a model opened or a cluster joined."""

import pytest

from ldm3d.config import (
    AutoencoderConfig,
    CorpusConfig,
    DepthFusionConfig,
    DiffusionConfig,
    EvaluateConfig,
    GenerateConfig,
    LatentsConfig,
    WatchConfig,
)
from pipelines.depth_fusion import depth_fusion
from pipelines.encode_latents import encode_latents
from pipelines.evaluate import evaluate
from pipelines.generate import generate
from pipelines.rebuild_corpus import rebuild_corpus
from pipelines.train_autoencoder import train_autoencoder
from pipelines.train_diffusion import train_diffusion

STAGES = {
    rebuild_corpus: CorpusConfig,
    train_autoencoder: AutoencoderConfig,
    encode_latents: LatentsConfig,
    train_diffusion: DiffusionConfig,
    generate: GenerateConfig,
    evaluate: EvaluateConfig,
    depth_fusion: DepthFusionConfig,
}


@pytest.mark.parametrize("stage", STAGES)
def test_an_output_with_other_files_or_in_the_input_is_refused_before_input_and_models_are_opened(stage, tmp_path):
    """Neither the input nor the models are there: whoever opens one of them says that instead."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").touch()
    given = f"{tmp_path}/none"
    given = (given,) if stage is evaluate else given
    with pytest.raises(ValueError, match=r"--output .* holds other files .*notes\.txt"):
        stage(STAGES[stage](input=given, output=f"{tmp_path}/out"))
    with pytest.raises(ValueError, match="overlap"):
        stage(STAGES[stage](input=given, output=f"{tmp_path}/none/out"))


@pytest.mark.parametrize("stage", [train_autoencoder, train_diffusion])
def test_a_training_misses_mlflow_before_its_input(stage, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.training.mlflow_run.find_spec", lambda name: None)
    watch = WatchConfig(mlflow="http://host")
    with pytest.raises(ValueError, match=r"--watch\.mlflow"):
        stage(STAGES[stage](input=f"{tmp_path}/none", output=f"{tmp_path}/out", watch=watch))
