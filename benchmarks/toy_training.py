"""Toy trainings to measure: data and settings, and a worker without a cluster that records its speed."""

import json
import math
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from ldm3d.config import (
    AutoencoderConfig,
    AutoencoderLossConfig,
    DiffusionConfig,
    DiffusionModelConfig,
    EncodeConfig,
    LoopConfig,
    ModelConfig,
    PerceptualConfig,
    SamplesConfig,
)
from ldm3d.encoding.latent_encoder import LatentEncoder
from ldm3d.encoding.row_encoder import RowEncoder
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.base import load_autoencoder
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.diffusion_model import make_base_model
from pipelines import train_autoencoder, train_diffusion
from pipelines.corpus.write_shards import RGBD_OPTIONS
from pipelines.latents.encode_shards import COLUMNS, OPTIONS, pack
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import row_groups
from pipelines.training.loop import Loop
from pipelines.training.run import TrainingRun
from pipelines.training.worker import Worker

PIXELS = 32
LATENT_SHAPE = (4, 8, 8)
FILE_ROWS = 256  # the same scenes in each file
GROUP_ROWS = 32
WARM_UP = 10  # steps; also between log lines, which come twice as often as by default
LOOP = LoopConfig(epochs=1, batch_size=32, lanes=2, checkpoint_every=10**6, log_every=WARM_UP)

Config = AutoencoderConfig | DiffusionConfig


@dataclass(frozen=True)
class Toy:
    """Configurations of three trainings on scenes."""

    autoencoder: AutoencoderConfig
    """Adversarial from the start."""
    cached: DiffusionConfig
    """The U-Net, on latents."""
    encoding: DiffusionConfig
    """The U-Net, on pictures that it encodes in every step."""

    @classmethod
    def make(cls, root: Path, steps: int) -> "Toy":
        """Write data for a warm-up and `steps`, and the preset's networks, all untrained."""
        make_base_model(root / "base")
        model = ModelConfig(base=str(root / "base"), depth_input="rgb_mean")
        vae: Any = load_autoencoder(model)
        vae.save_pretrained(root / "autoencoder/vae")
        _write_data(root, math.ceil((WARM_UP + steps) * LOOP.batch_size / FILE_ROWS), vae)
        cached = DiffusionConfig(
            input=str(root / "latents"),
            output="",
            model=DiffusionModelConfig(base=model.base, autoencoder=str(root / "autoencoder")),
            samples=SamplesConfig(count=0),
            loop=LOOP,
        )
        loss = AutoencoderLossConfig(
            perceptual=PerceptualConfig(network="squeeze", weights="random"),
            discriminator_start=0,
            discriminator_filters=16,
            discriminator_layers=2,
            discriminator_norm="group",
        )
        corpus = str(root / "corpus")
        return cls(
            AutoencoderConfig(input=corpus, output="", model=model, loss=loss, loop=replace(LOOP, batch_size=16)),
            cached,
            replace(cached, input=corpus),
        )


def _write_data(root: Path, files: int, vae: Any) -> None:
    """Write a corpus of scenes, and its latents like `encode_latents`."""
    corpus, latents = Folder(str(root / "corpus")), Folder(str(root / "latents"))
    encode = RowEncoder(LatentEncoder(vae.eval(), EncodeConfig(batch_size=GROUP_ROWS)), PIXELS, LATENT_SHAPE)
    for split, seeds, copies in (("train", range(FILE_ROWS), files), ("val", range(10_000, 10_000 + GROUP_ROWS), 1)):
        rows = scene_rows(seeds, split, PIXELS)
        _, tables = pack(split, rows.select(list(COLUMNS)), encode(rows, flips=False), {})
        for number in range(copies):
            name = f"{split}/{number:05d}.parquet"
            corpus.write_tables(f"rgbd/{name}", row_groups(rows, GROUP_ROWS), **RGBD_OPTIONS)
            latents.write_tables(f"latents/{name}", tables["latents"], **OPTIONS)
    made_with = {"model": str(root / "autoencoder"), "revision": None, "fingerprint": fingerprint_of_network(vae)}
    corpus.write("_SUCCESS.json", b"{}")
    latents.write("_SUCCESS.json", json.dumps({"latent_shape": LATENT_SHAPE, "autoencoder": made_with}).encode())


def training_of(config: Config) -> TrainingRun:
    """Return the training that the stage would run."""
    if isinstance(config, DiffusionConfig):
        return train_diffusion.training_of(config)
    return train_autoencoder.training_of(config)


@dataclass(frozen=True)
class Observed(Worker):
    """The only worker of a training: records clock, CPU time and numbers at each log line, stops at step `last`."""

    last: int
    notes: list[tuple[float, float, dict[str, float]]] = field(default_factory=list)

    @classmethod
    def until(cls, last: int) -> "Observed":
        return cls(0, 1, torch.device("cpu"), None, threading.Event(), threading.Event(), last)

    def report(self, step: int, numbers: dict[str, float]) -> None:
        self.notes.append((time.perf_counter(), time.process_time(), numbers))
        if step >= self.last:
            self.stop.set()


def train(config: Config, steps: int) -> dict[str, float]:
    """Run our loop on one torch thread. Returns steps per second and per CPU-second after a warm-up.

    `loss` is the mean of the logged losses, `data_wait` the share of time in which the loop waited for a batch.
    """
    torch.set_num_threads(1)
    worker = Observed.until(WARM_UP + steps)
    with tempfile.TemporaryDirectory() as output:
        Loop(training_of(replace(config, output=output)).job, "benchmark", worker).run()
    first, last = worker.notes[0], worker.notes[-1]
    losses = [numbers.get("loss/reconstruction", numbers.get("loss/diffusion")) for _, _, numbers in worker.notes]
    return {
        "per_s": steps / (last[0] - first[0]),
        "per_cpu_s": steps / (last[1] - first[1]),
        "loss": mean(loss for loss in losses if loss is not None),
        "data_wait": mean(numbers["speed/data_wait_share"] for _, _, numbers in worker.notes[1:]),
    }
