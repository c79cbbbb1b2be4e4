"""Single calls on workers: trials of a network before work starts, and waiting for long calls."""

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
    """Call a function on a worker of a pool, and return what it returned. Without a cluster it is called here.

    Args:
        patience_s: seconds to wait for a free worker and the result.
        name: what is tried, for messages.

    Raises:
        ValueError: the function failed, its worker died, or no worker was free in time.
    """
    if not ray.is_initialized():
        return _try_here(function, *arguments, name=name)
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
    except ray.exceptions.RayError as error:  # no error of the function's own: nothing is left of it to tell one
        told = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ValueError(
            f"{name} failed: the worker that tried it died ({type(error).__name__}: {told}): it ran out of memory, or "
            "a library crashed; free memory on its machine, or choose a smaller network"
        ) from error


def _try_here(function: Callable[..., dict[str, Any]], *arguments: object, name: str) -> dict[str, Any]:
    try:
        return function(*arguments)
    except Exception as error:
        raise (error if type(error) is ValueError else ValueError(f"{name} failed: {error}")) from error


def shared(value: Any) -> Any:
    """Put a value into the object store, as workers may not reach the place that it came from. Without a cluster it
    stays as it is, for `try_on_worker`."""
    return ray.put(value) if ray.is_initialized() else value


def wait_for(task: ray.ObjectRef, name: str, patience_s: float) -> Any:
    """Return the result of a task. A warning every `patience_s` seconds says what is being waited for."""
    began = time.monotonic()
    while not ray.wait([task], timeout=patience_s)[0]:
        logger.warning(
            "%s: not done after %.0f s; `ray status` shows whether the cluster has a free CPU for it",
            name,
            time.monotonic() - began,
        )
    return ray.get(task)
