"""Starting a cluster whose workers start warm."""

import atexit
import logging
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipelines.workers.address import starts_cluster

logger = logging.getLogger(__name__)

# Signs of GPUs: of NVIDIA, of AMD, and in Windows' Linux.
GPUS = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/kfd", "/dev/dxg")
SWITCH = "LDM3D_WARM_WORKERS"  # in the environment: 0 leaves workers to Ray
HERE = Path(__file__).parent


def can_start_warm() -> bool:
    """Whether workers on this machine can be forked: it runs Linux and has no GPU, and nobody has switched it off."""
    is_off = os.environ.get(SWITCH) == "0"
    return sys.platform.startswith("linux") and not is_off and not any(Path(sign).exists() for sign in GPUS)


def expect_cluster(address: str | None, *, dry_run: bool) -> None:
    """Start the workers' imports early, beside this process's own, if it is going to start a cluster.

    Args:
        address: of the settings.
        dry_run: whether the run is one, which starts no cluster.
    """
    if not dry_run and starts_cluster(address) and can_start_warm():
        _start_server()


@contextmanager
def warm_workers() -> Iterator[None]:
    """Let the cluster that Ray starts inside the `with` start its workers warm, until this process ends.

    Where a worker cannot be forked, for whatever reason, Ray starts it as usual.
    """
    server = _start_server() if can_start_warm() else None
    before = sys.executable
    try:
        sys.executable = str(server.folder / "python") if server else before  # Ray has no setting for it
        yield
    finally:
        sys.executable = before


def end_server() -> None:
    """End the server if there is one: nobody will ask it."""
    if _start_server.cache_info().currsize and (server := _start_server()):
        server.end()
        atexit.unregister(server.end)
        _start_server.cache_clear()


class _Server(NamedTuple):
    """The process from which workers are forked, and the folder of its socket and of the `python` that asks it."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    def end(self) -> None:
        self.process.kill()  # it may be importing, which nobody waits for
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache  # one server for all clusters that this process starts, one after another
def _start_server() -> _Server | None:
    """Start the server; None where there can be none."""
    folder = ""
    try:
        folder = tempfile.mkdtemp(prefix="ldm3d-workers-")  # nobody else may enter it
        server = _Server(_started_in(folder, Path(folder, "python")), Path(folder))
    except OSError as error:
        logger.debug("workers start cold: %s", error)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    atexit.register(server.end)
    return server


def _started_in(folder: str, python: Path) -> "subprocess.Popen[bytes]":
    """Start the server with its socket in `folder`, and write the `python` that asks it.

    Raises:
        OSError: the folder is full, no program may run from it, its path is too long for a socket, or there is no
            memory.
    """
    address = str(Path(folder, "socket"))
    start = shlex.join([sys.executable, "-IS", str(HERE / "start_worker.py"), address])
    python.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
    python.chmod(0o700)
    if not os.access(python, os.X_OK):
        raise PermissionError(f"no programs may run from {folder}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(64)
        # Ray gives a worker as many threads as CPUs, mostly one; torch asks when it is imported. And neither numpy is
        # to start threads nor Arrow one that clears its memory: only a process of one thread can be forked.
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        settings = one_thread | {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.workers.warm.server", str(listening.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listening.fileno()],
            env=os.environ | settings,  # a user's own are for the workers, which get them with each request
            cwd=HERE.parents[2],  # where `pipelines` is
            start_new_session=True,  # Ctrl-C is for the driver; the server ends when its input does
        )
