"""Who gets which CPUs and GPUs, decided before work starts.

Ray Data waits silently when actors hold every CPU and a task needs one (ray-project/ray#44687), so stages are
fitted to the cluster here, or refused with the numbers.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray.data import ActorPoolStrategy

from ldm3d.config import ActorsConfig
from ldm3d.memory import keep_freed_memory

DEVICE_CALLS = 2  # one shard on the device, one on its way to or from it


@dataclass(frozen=True)
class Pool:
    """Actors that live as long as the run, or tasks, which hold their CPUs only while they work."""

    name: str
    cpus: float
    """CPUs per actor or task."""
    gpus: float = 0.0
    """GPUs per actor or task."""
    actors: int | None = None
    """None for tasks."""
    calls: int = 1
    """Calls that an actor handles at once, on threads of its own."""

    def arguments(self) -> dict[str, Any]:
        """Return arguments of `map_batches`."""
        wanted: dict[str, Any] = {"num_cpus": self.cpus}
        if self.gpus:
            wanted["num_gpus"] = self.gpus
        if self.actors:
            wanted["compute"] = ActorPoolStrategy(
                size=self.actors,
                max_concurrent_calls_per_actor=self.calls,
                max_tasks_in_flight_per_actor=2 * self.calls,
                enable_true_multi_threading=self.calls > 1,
            )
        return wanted

    def __str__(self) -> str:
        each = f"{self.cpus:g} CPU" + (f" + {self.gpus:g} GPU" if self.gpus else "")
        return f"{self.name}: {self.actors} x ({each})" if self.actors else f"{self.name}: tasks of {each}"

    def with_facts(self, facts: Mapping[str, Any]) -> str:
        """Return the pool, and what a trial on it found, as a line of the log."""
        return "; ".join([str(self), *(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())])


def cluster_size() -> tuple[float, float]:
    """Return the CPUs and GPUs of the whole connected cluster; without one, those that Ray would find here."""
    if not ray.is_initialized():
        here = ResourceAndLabelSpec().resolve(is_head=True)
        return float(here.num_cpus or 0), float(here.num_gpus or 0)
    total = ray.cluster_resources()
    return total.get("CPU", 0.0), total.get("GPU", 0.0)


def hide_other_gpus() -> None:
    """Hide the GPUs from a worker that reserved none. Ray leaves them visible, and torch would take the first."""
    if ray.is_initialized() and not ray.get_gpu_ids():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def prepare_process(cpus: float = 1.0) -> None:
    """Make a worker ready to run networks: it sees its own GPUs alone, and torch has as many threads as it has CPUs.

    More threads are slower than one.
    """
    import torch

    hide_other_gpus()
    keep_freed_memory()
    torch.set_num_threads(max(1, int(cpus)))


def fit_actors(name: str, config: ActorsConfig, cpus: float, gpus: float) -> Pool:
    """Fit the actors of a stage that has no other tasks: they get the GPUs, or CPUs where there are none.

    They may hold every CPU.

    Raises:
        ValueError: the actors asked for do not fit in the cluster.
    """
    pool = device_pool(name, config.actors, config.cpus, config.gpus, gpus, flags="")
    if pool.cpus * (pool.actors or 1) > cpus:
        raise ValueError(
            f"the stage does not fit: {pool}, but the cluster has {cpus:g} CPU. "
            "Lower --cluster.actors or --cluster.cpus."
        )
    return pool


def device_pool(name: str, actors: int | None, cpus_each: float, gpus_each: float, gpus: float, flags: str) -> Pool:
    """Fit actors to the GPUs. GPU actors hold no CPU, so that they never keep other operators from starting."""
    if gpus == 0 or gpus_each == 0:
        return Pool(name, cpus_each, actors=actors or 1, calls=DEVICE_CALLS)
    pool = Pool(name, 0.0, gpus_each, actors or max(1, int(gpus // gpus_each)), DEVICE_CALLS)
    if pool.gpus * (pool.actors or 1) > gpus:
        raise ValueError(
            f"the stage does not fit: {pool}, but the cluster has {gpus:g} GPU. "
            f"Lower --cluster.{flags}actors or --cluster.{flags}gpus; with 0 GPU the actors use CPUs."
        )
    return pool


def rounded_down(cpus: float) -> float:
    """Round down to hundredths of a CPU. Ray counts in ten-thousandths."""
    return int(cpus * 100) / 100
