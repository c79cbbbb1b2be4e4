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
from ray.data import DataContext
from ray.exceptions import AuthenticationError

import ldm3d
from ldm3d.config import ActorsConfig, ClusterConfig, ReplicasConfig, WorkersConfig
from pipelines.workers.address import starts_cluster
from pipelines.workers.warm.start import end_server, warm_workers

CONNECT_S = 5.0
INSTALLED = "_code"  # the folder that a wheel has `pipelines` in: setup.py
STATE = "RAY_API_SERVER_ADDRESS"

logger = logging.getLogger(__name__)


def connect(config: ActorsConfig | ClusterConfig | WorkersConfig | ReplicasConfig, *, dry_run: bool = False) -> None:
    """Join the cluster that this job runs on or that `config.address` names, or start one on this machine.

    A dry run starts none: without a cluster to join it checks this machine, in this process, at a third of the CPU.

    One that starts here has no dashboard, and starts its workers warm where there are no GPUs
    (`pipelines.workers.warm`). A process that is connected stays so. This is the only `ray.init` outside tests.

    Raises:
        ValueError: no cluster answers or takes us in, or none can be started here.
        TimeoutError: one that was started here was not ready in time.
    """
    if not ray.is_initialized():
        address, is_ours = config.address or os.environ.get("RAY_ADDRESS"), starts_cluster(config.address)
        if dry_run and is_ours:
            logger.info("no cluster is running, and a dry run starts none: the plan is for this machine")
            return
        if address:
            _check_answers(address)
        logger.info("%s", "starting Ray on this machine, for this run" if is_ours else "joining the Ray cluster")
        if not is_ours:
            end_server()  # it was expected otherwise, or a cluster has been started since
        try:
            with _same_sigterm(), _own_cluster() if is_ours else nullcontext():
                ray.init(
                    address=config.address,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    include_dashboard=False,  # of a cluster that starts here: a second of every run, and for one run
                    runtime_env=None if is_ours else code_to_send(),
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
        except Exception as error:  # Ray has no class for it
            if "timed out during startup" not in str(error):
                raise
            raise TimeoutError(
                "Ray did not start on this machine within 30 s, which is its limit: the machine is busy. This run has "
                "written nothing: run the same command again when there is less load"
            ) from error
    # Ray Data leaves the actors of a failed run of this process, and their GPUs, to the garbage collector.
    gc.collect()
    if not isinstance(config, WorkersConfig | ReplicasConfig):
        configure_data(config)


def code_to_send() -> dict[str, list[str]] | None:
    """Return the runtime environment that brings installed code to workers of a cluster that others started.

    None in a checkout, whose code comes with a submitted job's working directory, or from a folder of the same name.
    """
    rooms = Path(__file__).parents[1]
    if rooms.parent.name != INSTALLED:
        return None
    return {"py_modules": [str(rooms), str(Path(ldm3d.__file__).parent)]}


@contextmanager
def _own_cluster() -> Iterator[None]:
    """Let the cluster that Ray starts inside the `with` start its workers warm, and ask nobody for its state.

    Ray takes the usual address of a dashboard, 127.0.0.1:8265, for that of one that does not run, and Ray Train asks
    there whether its controller lives. Another cluster's dashboard does not know it, and the training loses its
    workers. Nobody is at port 1. What Ray starts inherits the variable; this process keeps its own.
    """
    before = os.environ.get(STATE)
    os.environ[STATE] = "http://127.0.0.1:1"
    try:
        with warm_workers():
            yield
    finally:
        del os.environ[STATE]
        if before is not None:
            os.environ[STATE] = before


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
