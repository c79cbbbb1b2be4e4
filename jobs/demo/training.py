"""The third part of the demo: the corpus of scenes becomes a model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.demo.parts import Countdown
from ldm3d.config import (
    AutoencoderConfig,
    DiffusionConfig,
    LatentsConfig,
    TrainedAutoencoderConfig,
    WorkersConfig,
    presets_of,
)
from ldm3d.toy.diffusion_model import make_base_model
from pipelines.encode_latents import encode_latents
from pipelines.train_autoencoder import train_autoencoder
from pipelines.train_diffusion import train_diffusion

WORKERS = WorkersConfig(workers=2)
BRIEF_EPOCHS = 4  # of a second U-Net, which is to be worse


def train(root: Path, countdown: Countdown) -> dict[str, Any]:
    """Train an autoencoder, encode latents, train a U-Net and a worse one. Returns their part of summary.json.

    Args:
        root: of the demo, with its corpus.
    """
    base, corpus = root / "models/base", str(root / "scenes/corpus")
    make_base_model(base)
    autoencoder = presets_of(AutoencoderConfig)["toy"]
    with countdown.part("train the autoencoder"):
        trained = train_autoencoder(
            AutoencoderConfig(
                input=corpus,
                output=str(root / "autoencoder"),
                workers=WORKERS,
                **autoencoder | {"model": replace(autoencoder["model"], base=str(base))},
            )
        )
        _require_finished(trained)
    with countdown.part("encode latents"):
        model = TrainedAutoencoderConfig(autoencoder=str(root / "autoencoder"))
        latents = presets_of(LatentsConfig)["toy"] | {"model": model}
        encode_latents(LatentsConfig(input=corpus, output=str(root / "latents"), **latents))
    epochs = presets_of(DiffusionConfig)["toy"]["loop"].epochs
    with countdown.part("train the U-Net"):
        _require_finished(train_diffusion(_diffusion(root, "diffusion", epochs)))
    with countdown.part("train a second U-Net briefly, for the metrics to rank below"):
        _require_finished(train_diffusion(_diffusion(root, "diffusion_briefly", BRIEF_EPOCHS)))
    return {"autoencoder": {name: round(trained["validation"][name], 4) for name in ("psnr_db", "depth_l1")}}


def _diffusion(root: Path, output: str, epochs: int) -> DiffusionConfig:
    preset = presets_of(DiffusionConfig)["toy"]
    changes = {
        "model": replace(preset["model"], base=str(root / "models/base")),
        "loop": replace(preset["loop"], epochs=epochs),
    }
    return DiffusionConfig(input=str(root / "latents"), output=str(root / output), workers=WORKERS, **preset | changes)


def _require_finished(training: dict[str, Any]) -> None:
    """Check that a training finished.

    Raises:
        SystemExit: somebody asked it to stop.
    """
    if not training["finished"]:
        raise SystemExit(
            f"stopped at step {training['steps']} of a training; the demo starts over when it is run again"
        )
