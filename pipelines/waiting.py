"""Waiting for a task that may have to wait itself, for a worker or for its work, with word of it."""

import logging
import time
from typing import Any

import ray

logger = logging.getLogger(__name__)


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
