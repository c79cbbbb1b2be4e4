"""A training worker, and how many of them fit on a cluster."""

import threading
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ldm3d.config import LoopConfig, WorkersConfig
from ldm3d.training.ranks import mean_over_ranks


@dataclass(frozen=True)
class Worker:
    """One training worker: its rank, its device, and its line to the driver."""

    rank: int
    workers: int
    """Number of workers."""
    device: torch.device
    board: Any
    """The handle of the `pipelines.training.board.Board` actor."""
    stop: threading.Event
    """Set when the training is to stop."""
    leaving: threading.Event
    """Set when a node of the training is about to be taken away, as spot machines are."""

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean of a tensor over all workers, on the worker's device. Every worker has to call it."""
        return mean_over_ranks(tensor.to(self.device))

    def report(self, step: int, numbers: dict[str, float]) -> None:
        """Send the numbers of a step to the driver, without waiting for it."""
        self.board.report.remote(step, numbers)


def worker_count(config: WorkersConfig, loop: LoopConfig, cpus: float, gpus: float) -> int:
    """Return how many workers to start on a cluster with this many CPUs and GPUs.

    Raises:
        ValueError: the cluster is too small for the workers asked for, they do not divide the lanes, or micro-batches
            do not divide a worker's share of a batch.
    """
    needs, most = f"{config.cpus:g} CPU", int(cpus / config.cpus)
    if gpus > 0 and config.gpus > 0:
        needs, most = f"{needs} + {config.gpus:g} GPU", min(most, int(gpus / config.gpus))
    wanted = config.workers or max((n for n in range(1, max(most, 1) + 1) if loop.lanes % n == 0), default=1)
    if wanted > most:
        raise ValueError(
            f"the workers do not fit: {wanted} x ({needs}), but the cluster has {cpus:g} CPU and {gpus:g} GPU: lower "
            "--workers.workers, --workers.cpus or --workers.gpus"
        )
    if loop.lanes % wanted:
        raise ValueError(f"--loop.lanes {loop.lanes} cannot be divided among {wanted} workers: change one of them")
    share = loop.batch_size // wanted
    if loop.micro_batch and share % loop.micro_batch:
        raise ValueError(
            f"--loop.micro-batch {loop.micro_batch} does not divide a worker's share of a batch, {share}: give a "
            "divisor"
        )
    return wanted
