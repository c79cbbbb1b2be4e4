"""The connection to Ray, and Ray Data's settings for this project."""

import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import ray
from ray._private.services import canonicalize_bootstrap_address  # by which ray.init finds one that runs here
from ray.data import DataContext
from ray.exceptions import AuthenticationError

import ldm3d
from ldm3d.config import ActorsConfig, ClusterConfig, WorkersConfig
from pipelines.workers.warm.start import warm_workers

CONNECT_S = 5.0
INSTALLED = "_code"  # the folder that a wheel has `pipelines` in: setup.py

logger = logging.getLogger(__name__)


def connect(config: ActorsConfig | ClusterConfig | WorkersConfig, *, dry_run: bool = False) -> None:
    """Join the cluster that this job runs on or that `config.address` names, or start one on this machine.

    A dry run starts none: without a cluster to join it checks this machine, in this process, at a third of the CPU.

    One that starts here has no dashboard, and starts its workers warm where there are no GPUs
    (`pipelines.workers.warm`). A process that is connected stays so. This is the only `ray.init` outside tests.

    Raises:
        ValueError: no cluster answers or takes us in, or none can be started here.
    """
    if not ray.is_initialized():
        address = config.address or os.environ.get("RAY_ADDRESS")
        if dry_run and not address and _running_here() is None:
            logger.info("no cluster is running, and a dry run starts none: the plan is for this machine")
            return
        if address:
            _check_answers(address)
        try:
            with _same_sigterm(), nullcontext() if address else warm_workers():
                ray.init(
                    address=config.address,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    include_dashboard=False,  # of a cluster that starts here: a second of every run, and for one run
                    runtime_env=code_to_send() if address else None,
                )
        except (ConnectionError, AuthenticationError) as error:
            raise ValueError(
                f"no Ray cluster at {address!r}: {error}. If it wants a token (RAY_AUTH_MODE is "
                f"{os.environ.get('RAY_AUTH_MODE', 'not set')}): set RAY_AUTH_MODE=token, else Ray sends none, and "
                "give the cluster's token in RAY_AUTH_TOKEN, in the file RAY_AUTH_TOKEN_PATH, or in ~/.ray/auth_token"
            ) from error
        except OSError as error:
            if ".ray" not in Path(str(error.filename)).parts:
                raise
            raise ValueError(
                f"Ray keeps the token of a cluster on this machine in ~/.ray, which cannot be written ({error}): "
                "set HOME to a folder that can"
            ) from error
    # Ray Data leaves the actors of a failed run of this process, and their GPUs, to the garbage collector.
    gc.collect()
    if not isinstance(config, WorkersConfig):
        configure_data(config)


def code_to_send() -> dict[str, list[str]] | None:
    """Return the runtime environment that brings installed code to workers of a cluster that others started.

    None in a checkout, whose code comes with a submitted job's working directory, or from a folder of the same name.
    """
    rooms = Path(__file__).parents[1]
    if rooms.parent.name != INSTALLED:
        return None
    return {"py_modules": [str(rooms), str(Path(ldm3d.__file__).parent)]}


def _running_here() -> str | None:
    """Return the address of a cluster on this machine that `ray.init` would join; None where it would start one."""
    return canonicalize_bootstrap_address(None)  # type: ignore[arg-type]  # as its docstring allows, and ray.init does


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """Keep this process's own SIGTERM handler, if it has one: `ray.init` installs another."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def configure_data(config: ActorsConfig | ClusterConfig) -> None:
    """Make a block a shard, which Ray Data never splits by size, and replace its progress bars by ours."""
    context = DataContext.get_current()
    context.target_max_block_size = None
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = config.no_progress_timeout_s  # Ray's default is 30 minutes of silence
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it would warn that its bars are off


def _check_answers(address: str) -> None:
    """Check that something listens at `host:port`, as Ray waits a minute or more for a cluster that is not there.

    Raises:
        ValueError: nothing does, or `address` is not an address.
    """
    if address in ("auto", "local") or "://" in address:  # Ray finds these itself, or fails soon
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 2**16):
        raise ValueError(f"--cluster.address is {address!r}, wanted host:port, ray://host:port, auto or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except OSError as error:
        raise ValueError(
            f"no Ray cluster answers at {address} within {CONNECT_S:g} s ({error}): start it, fix --cluster.address "
            "or RAY_ADDRESS, or omit both to start one on this machine"
        ) from error
