"""Starting a cluster whose workers start warm."""

import atexit
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

GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of NVIDIA, of AMD, and in Windows' Linux
HERE = Path(__file__).parent


def can_start_warm() -> bool:
    """Whether workers on this machine can be forked: it runs Linux and has no GPU."""
    return sys.platform.startswith("linux") and not any(Path(device).exists() for device in GPUS)


def expect_cluster(address: str | None) -> None:
    """Begin with the workers' imports, ahead of this process's own, if it is going to start a cluster.

    Args:
        address: of the settings.
    """
    if not address and not os.environ.get("RAY_ADDRESS") and can_start_warm():
        _start_server()


@contextmanager
def warm_workers() -> Iterator[None]:
    """Let the cluster that Ray starts inside the `with` start its workers warm, until this process ends.

    Where no worker can be forked, for whatever reason, Ray starts it as ever.
    """
    python = _start_server() if can_start_warm() else None
    before = sys.executable
    try:
        sys.executable = python or before  # Ray has no setting for it
        yield
    finally:
        sys.executable = before


@cache  # one server for all clusters that this process starts, one after another
def _start_server() -> str | None:
    """Start the server. Returns the path of a Python whose Ray workers it forks; None where that cannot be run."""
    folder = tempfile.mkdtemp(prefix="ldm3d-workers-")  # nobody else may enter it
    python, address = Path(folder, "python"), str(Path(folder, "socket"))
    start = shlex.join([sys.executable, "-IS", str(HERE / "start_worker.py"), address])
    python.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
    python.chmod(0o700)
    if not os.access(python, os.X_OK):  # no programs may run from that folder
        shutil.rmtree(folder)
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(64)
        command = [sys.executable, "-m", "pipelines.workers.warm.server", str(listening.fileno())]
        # Ray gives a worker as many threads as CPUs, mostly one; torch asks when it is imported.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        # A session of its own: Ctrl-C is for the driver, which ends in order. The server ends when its input does.
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            pass_fds=[listening.fileno()],
            env=environment,
            cwd=HERE.parents[2],  # where `pipelines` is
            start_new_session=True,
        )
    atexit.register(_end, server, folder)
    return str(python)


def _end(server: "subprocess.Popen[bytes]", folder: str) -> None:
    server.kill()  # it may be importing, which nobody waits for
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
