"""Settings that both training stages share: model, optimiser, loop, workers."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from ldm3d.config.checks import require, require_least, without_unset
from ldm3d.config.places import ModelPlace

_SERVER = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[^\s?#@]*)?")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Where training starts."""

    base: ModelPlace = "CompVis/stable-diffusion-v1-4"
    """Stable Diffusion v1.x or 2.x in diffusers layout, or an LDM3D checkpoint, by hub id or path."""
    revision: str | None = None
    """Commit of the base on the hub; None takes the main branch."""
    channels: Literal[6, 4] = 6
    """Channels that the autoencoder sees: 6 for [R, G, B, 0, high, low], the paper's; 4 for [R, G, B, depth]."""
    depth_input: Literal["zero", "rgb_mean"] = "zero"
    """New input weights: with `zero`, the latent at step 0 is that of the RGB model, whatever the depth."""
    depth_output: Literal["rgb_mean", "zero"] = "rgb_mean"
    """New output weights: `rgb_mean` starts depth as the picture in grey, `zero` as the middle of its range."""

    def __post_init__(self) -> None:
        require(self.base != "", "model.base", self.base, "a model id or path")


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """Adam, as in the paper: no weight decay, no schedule, no clipping."""

    learning_rate: float = 1e-5
    """Learning rate, absolute: not scaled by batch size or number of workers."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the first and second moment."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW) if above 0."""
    warmup_steps: int = 0
    """Number of steps over which the learning rate rises linearly to its value."""
    decay: Literal["none", "linear", "cosine"] = "none"
    """How the learning rate falls to 2 % of its value between warm-up and the last step."""
    max_grad_norm: float | None = None
    """Gradients with a larger norm are scaled down to it; None clips nothing."""

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "optimiser.learning_rate", self.learning_rate, "more than 0")
        require(all(0 <= beta < 1 for beta in self.betas), "optimiser.betas", self.betas, "two numbers in [0, 1)")
        require_least(self, "optimiser", 0, "weight_decay", "warmup_steps")
        norm = self.max_grad_norm
        require(norm is None or norm > 0, "optimiser.max_grad_norm", norm, "more than 0, or None")


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long training runs, and what it saves."""

    epochs: int
    """Number of passes over the training split."""
    max_steps: int | None = None
    """Number of optimiser steps to stop after, if the epochs do not end before; the learning rate falls towards that
    step. It is validated and saved like the end of an epoch. None takes every step of every epoch."""
    batch_size: int
    """Number of samples per optimiser step, over all workers together."""
    micro_batch: int | None = None
    """Number of samples per forward pass on a worker, with gradients accumulated. None takes its share of a batch at
    once."""
    seed: int = 0
    """Another seed gives another order, other noise and other initial weights."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the forward and backward pass; weights and optimiser are float32. `auto` is bf16 on GPUs that have
    it, fp16 on older ones, fp32 on CPUs."""
    lanes: int = 8
    """Number of parts that the data is read in. It must be a multiple of the number of workers and divide the batch
    size."""
    shuffle_rows: int = 1_024
    """How many places a row can move within its lane, and roughly how many rows a worker holds for that. Whole row
    groups are shuffled first."""
    checkpoint_every: int = 1_000
    """Number of optimiser steps between checkpoints; each epoch ends with one more."""
    keep_checkpoints: int = 2
    """Number of newest checkpoints to keep, besides the best."""
    log_every: int = 20
    """Number of optimiser steps between log lines, and points of the curves; fewer where the training is short."""
    max_skipped: int = 10
    """Steps in a row that may be skipped for a non-finite loss or gradient before the run stops."""

    def __post_init__(self) -> None:
        sizes = ("epochs", "batch_size", "lanes", "shuffle_rows")
        require_least(self, "loop", 1, *sizes, "checkpoint_every", "keep_checkpoints", "log_every", "max_skipped")
        require_least(self, "loop", 1, "micro_batch", "max_steps", or_none=True)
        require(0 <= self.seed < 2**56, "loop.seed", self.seed, f"0 to {2**56 - 1}")
        wanted = f"a divisor of --loop.batch-size ({self.batch_size})"
        require(self.batch_size % self.lanes == 0, "loop.lanes", self.lanes, wanted)


PACING = ("micro_batch", "checkpoint_every", "keep_checkpoints", "log_every")
"""Loop settings that may change during a run: they affect weights only by the rounding of micro-batches."""


def identity_of_loop(loop: dict[str, Any]) -> dict[str, Any]:
    """Return the loop settings, as `to_json` gives them, that determine the weights."""
    return without_unset({name: value for name, value in loop.items() if name not in PACING}, max_steps=None)


@dataclass(frozen=True, kw_only=True)
class WorkersConfig:
    """What training asks of Ray. It affects speed and, in float32, not the result."""

    address: str | None = None
    """Ray cluster to connect to; None uses the one this job was submitted to, or starts one on this machine."""
    workers: int | None = None
    """Number of workers; None takes one per GPU, or one per CPU without GPUs, as many as --loop.lanes allows."""
    gpus: float = 1.0
    """Number of GPUs per worker; treated as 0 on a cluster without GPUs."""
    cpus: float = 1.0
    """Number of CPUs per worker, and its torch threads."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """`ddp` keeps all weights on every worker; `fsdp` shards weights, gradients and optimiser state."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: slower, but takes a fraction of the memory."""
    channels_last: bool = False
    """Store weights and activations channels last: faster convolutions in half precision on GPUs."""
    compile: bool = False
    """Compile the networks: minutes at the start, then faster steps on GPUs. Rounding differs."""
    max_restarts: int = 3
    """How often a run restarts by itself from its last checkpoint after a worker has died."""

    def __post_init__(self) -> None:
        require(self.workers is None or self.workers >= 1, "workers.workers", self.workers, "1 or more, or None")
        is_whole = self.gpus >= 0 and self.gpus == int(self.gpus)  # NCCL does not take two workers on one GPU
        require(is_whole, "workers.gpus", self.gpus, "a whole number, 0 or more")
        require(self.cpus > 0, "workers.cpus", self.cpus, "more than 0")
        for name in ("channels_last", "compile"):
            is_plain = self.strategy == "ddp" or not getattr(self, name)
            require(
                is_plain, f"workers.{name}", True, "False with --workers.strategy fsdp, which shards plain weights"
            )
        require(self.max_restarts >= 0, "workers.max_restarts", self.max_restarts, "0 or more")


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """Where metrics and pictures are sent, besides the output and its TensorBoard files."""

    mlflow: str | None = None
    """URL of an MLflow tracking server. Give user and password as MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD in the environment of the workers."""
    experiment: str = "ldm3d"
    """MLflow experiment for the run; created if it does not exist."""

    def __post_init__(self) -> None:
        if self.mlflow is not None and not _SERVER.fullmatch(self.mlflow):
            raise ValueError(  # without the value, which may hold a password
                "--watch.mlflow is not the URL of a tracking server: give http:// or https:// and a host, without "
                "password or query. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD for the workers"
            )
        require(self.experiment != "", "watch.experiment", self.experiment, "a name")
