"""The connection to Ray, and how Ray Data is set for this project."""

import logging

import ray
from ray.data import DataContext

from ldm3d.config import ClusterConfig


def connect(config: ClusterConfig) -> None:
    """Join the cluster that this job runs on, or that `config.address` names, or start one on this machine.

    Does nothing where the process is connected already. Beside tests, the only `ray.init`.
    """
    if not ray.is_initialized():
        ray.init(address=config.address, logging_level=logging.ERROR, log_to_driver=False)
    configure_data(config)


def configure_data(config: ClusterConfig) -> None:
    """A block is a shard: it is never cut by size. Our own progress replaces Ray's bars."""
    context = DataContext.get_current()
    context.target_max_block_size = None
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = config.no_progress_timeout_s  # Ray's default is 30 minutes of silence
    logging.getLogger("ray.data").setLevel(logging.WARNING)
