"""A model to serve where there is none of the demo: trained on drawn scenes, briefly, in about two minutes."""

import shutil
from dataclasses import replace
from pathlib import Path

from jobs.demo.training import WORKERS
from ldm3d.config import AutoencoderConfig, DiffusionConfig, presets_of
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.diffusion_model import make_base_model
from pipelines.train_autoencoder import train_autoencoder
from pipelines.train_diffusion import train_diffusion

SCENES, HELD_OUT, GROUP = 600, 20, 20
AUTOENCODER_EPOCHS, DIFFUSION_EPOCHS = 6, 16


def make_small_model(
    root: Path, epochs: tuple[int, int] = (AUTOENCODER_EPOCHS, DIFFUSION_EPOCHS), scenes: int = SCENES
) -> Path:
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
    _write_corpus(draft / "corpus", scenes)
    make_base_model(draft / "base")
    preset = presets_of(AutoencoderConfig)["toy"]
    train_autoencoder(
        AutoencoderConfig(
            input=str(draft / "corpus"),
            output=str(draft / "autoencoder"),
            workers=WORKERS,
            **preset
            | {
                "model": replace(preset["model"], base=str(draft / "base")),
                "loop": replace(preset["loop"], epochs=epochs[0]),
            },
        )
    )
    preset = presets_of(DiffusionConfig)["toy"]
    network = replace(preset["model"], base=str(draft / "base"), autoencoder=str(draft / "autoencoder"))
    train_diffusion(
        DiffusionConfig(
            input=str(draft / "corpus"),
            output=str(draft / "diffusion"),
            workers=WORKERS,
            **preset | {"model": network, "loop": replace(preset["loop"], epochs=epochs[1])},
        )
    )
    (draft / "diffusion/model").rename(made)  # whole or absent
    shutil.rmtree(draft)
    return made


def _write_corpus(corpus: Path, scenes: int) -> None:
    import pyarrow.parquet as pq

    for split, seeds in (("train", range(scenes)), ("val", range(10_000, 10_000 + HELD_OUT))):
        folder = corpus / "rgbd" / split
        folder.mkdir(parents=True)
        pq.write_table(scene_rows(seeds, split, size=32), folder / "00000.parquet", row_group_size=GROUP)
    (corpus / "_SUCCESS.json").write_text("{}")
