"""A model to serve where there is none of the demo: trained on drawn scenes, briefly, in about two minutes."""

import shutil
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
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.diffusion_model import make_base_model
from pipelines.encode_latents import encode_latents
from pipelines.train_autoencoder import train_autoencoder
from pipelines.train_diffusion import train_diffusion

SCENES, HELD_OUT, GROUP = 600, 20, 20
EPOCHS = (6, 16)
WORKERS = WorkersConfig(gpus=0)  # networks so small are trained on CPUs as fast


def make_small_model(root: Path, epochs: tuple[int, int] = EPOCHS, scenes: int = SCENES) -> Path:
    """Train a model, unless it is there.

    Args:
        root: a folder of its own, which is emptied.
        epochs: of the autoencoder and of the U-Net.
        scenes: to train on.

    Returns:
        The model's folder.
    """
    made = root / "model"
    if (made / "model_index.json").is_file():
        return made
    shutil.rmtree(root, ignore_errors=True)
    draft = root / "draft"
    places = {name: str(draft / name) for name in ("base", "corpus", "autoencoder", "latents", "diffusion")}
    _write_corpus(draft / "corpus", scenes)
    make_base_model(places["base"])

    settings = _settings(AutoencoderConfig, places["base"], epochs[0])
    train_autoencoder(AutoencoderConfig(input=places["corpus"], output=places["autoencoder"], **settings))
    model = TrainedAutoencoderConfig(autoencoder=places["autoencoder"])
    settings = presets_of(LatentsConfig)["toy"] | {"model": model}
    encode_latents(LatentsConfig(input=places["corpus"], output=places["latents"], **settings))
    settings = _settings(DiffusionConfig, places["base"], epochs[1])
    train_diffusion(DiffusionConfig(input=places["latents"], output=places["diffusion"], **settings))

    (draft / "diffusion/model").rename(made)  # whole or absent
    shutil.rmtree(draft)
    return made


def _settings(training: Any, base: str, epochs: int) -> dict[str, Any]:
    """Return those of the preset `toy` for a short training."""
    preset = presets_of(training)["toy"]
    changes = {"model": replace(preset["model"], base=base), "loop": replace(preset["loop"], epochs=epochs)}
    return preset | changes | {"workers": WORKERS}


def _write_corpus(corpus: Path, scenes: int) -> None:
    import pyarrow.parquet as pq

    for split, seeds in (("train", range(scenes)), ("val", range(10_000, 10_000 + HELD_OUT))):
        folder = corpus / "rgbd" / split
        folder.mkdir(parents=True)
        pq.write_table(scene_rows(seeds, split, size=32), folder / "00000.parquet", row_group_size=GROUP)
    (corpus / "_SUCCESS.json").write_text("{}")
