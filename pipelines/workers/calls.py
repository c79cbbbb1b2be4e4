"""Single calls on workers: a first one that shows whether a network runs there, and long ones that are waited for."""

import logging
import time
from collections.abc import Callable
from typing import Any

import ray

from pipelines.workers.resources import Pool

logger = logging.getLogger(__name__)


def try_on_worker(
    function: Callable[..., dict[str, Any]], *arguments: object, pool: Pool, patience_s: float, name: str
) -> dict[str, Any]:
    """What `function` returns there.

    Args:
        name: of what is tried, for messages.

    Raises:
        ValueError: it failed, or no such worker was free in time.
    """
    task = ray.remote(max_retries=0)(function).options(num_cpus=pool.cpus, num_gpus=pool.gpus)
    trial = task.remote(*arguments)
    try:
        return dict(ray.get(trial, timeout=patience_s))
    except ray.exceptions.GetTimeoutError as error:
        ray.cancel(trial, force=True)
        raise ValueError(
            f"no worker with {pool.cpus:g} CPU and {pool.gpus:g} GPU tried {name} within {patience_s:g} s: "
            "wait until other jobs free some, or raise --cluster.no-progress-timeout-s"
        ) from error
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (cause if type(cause) is ValueError else ValueError(f"{name} failed: {cause}")) from error


def wait_for(task: ray.ObjectRef, name: str, patience_s: float) -> Any:
    """What a task returns. While it does not, a line every `patience_s` seconds says what is waited for."""
    began = time.monotonic()
    while not ray.wait([task], timeout=patience_s)[0]:
        logger.warning(
            "%s: no end after %.0f s; `ray status` tells whether the cluster has a CPU for it",
            name,
            time.monotonic() - began,
        )
    return ray.get(task)
