"""The second half of the demo: the corpus of scenes becomes a model, which is asked for scenes that it never saw."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ldm3d.config import (
    AutoencoderConfig,
    DiffusionConfig,
    LatentsConfig,
    TrainedAutoencoderConfig,
    WorkersConfig,
    presets_of,
)
from ldm3d.sample_sheet import sample_sheet
from ldm3d.toy.diffusion_model import make_base_model
from ldm3d.toy.held_out import HeldOut
from pipelines.encode_latents import encode_latents
from pipelines.train_autoencoder import train_autoencoder
from pipelines.train_diffusion import train_diffusion

WORKERS = WorkersConfig(workers=2)
HELD_OUT = 200  # captions
SHOWN = 24
SAMPLES = "samples.png"


def train(root: Path) -> dict[str, Any]:
    """Corpus -> autoencoder -> latents -> U-Net -> samples. Returns what summary.json holds of these.

    Args:
        root: of the demo, with its corpus and depth model. The picture `samples.png` is written there.
    """
    base, corpus = root / "models/base", str(root / "scenes/corpus")
    make_base_model(base)
    autoencoder, diffusion = presets_of(AutoencoderConfig)["toy"], presets_of(DiffusionConfig)["toy"]
    trained = train_autoencoder(
        AutoencoderConfig(
            input=corpus,
            output=str(root / "autoencoder"),
            workers=WORKERS,
            **autoencoder | {"model": replace(autoencoder["model"], base=str(base))},
        )
    )
    _require_finished(trained)
    encode_latents(
        LatentsConfig(
            input=corpus,
            output=str(root / "latents"),
            **presets_of(LatentsConfig)["toy"]
            | {"model": TrainedAutoencoderConfig(autoencoder=str(root / "autoencoder"))},
        )
    )
    drawn = train_diffusion(
        DiffusionConfig(
            input=str(root / "latents"),
            output=str(root / "diffusion"),
            workers=WORKERS,
            **diffusion | {"model": replace(diffusion["model"], base=str(base))},
        )
    )
    _require_finished(drawn)
    return {
        "autoencoder": {name: round(trained["validation"][name], 4) for name in ("psnr_db", "depth_l1")},
        "samples": _samples(root, diffusion["samples"]),
    }


def _require_finished(training: dict[str, Any]) -> None:
    """
    Raises:
        SystemExit: somebody asked it to stop.
    """
    if not training["finished"]:
        raise SystemExit(
            f"stopped at step {training['steps']} of a training; the demo begins afresh when it is run again"
        )


def _samples(root: Path, wanted: Any) -> dict[str, float]:
    """Draw samples of held-out captions, show some, measure all."""
    print(f"drawing {HELD_OUT} samples of captions that no training has seen", flush=True)
    drawn = HeldOut.draw(
        root / "diffusion/model",
        HELD_OUT,
        num_inference_steps=wanted.num_inference_steps,
        guidance_scale=wanted.guidance_scale,
    )
    (root / SAMPLES).write_bytes(sample_sheet(drawn.samples[:SHOWN], "captions that training has not seen"))
    return drawn.figures() | drawn.depth_figures(root / "models/depth")
