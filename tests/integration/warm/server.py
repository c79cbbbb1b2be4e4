"""The process from which Ray workers are forked, and the cluster that starts its workers so."""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import ldm3d

LIBRARIES = (
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.schedulers.scheduling_ddim",
    "imagecodecs",
    "lpips",
    "matplotlib.figure",
    "mlflow.tracking",
    "pandas",
    "peft",
    "pyarrow.dataset",
    "skimage.metrics",
    "torch.distributed.checkpoint",
    "torch.distributed.fsdp",
    "torch.utils.tensorboard",
    "torch_fidelity",
    "transformers.models.clip.modeling_clip",
    "transformers.models.dpt.image_processing_dpt",
    "transformers.models.dpt.modeling_dpt",
)
"""What `ldm3d` imports late, and `pipelines` beside Ray and `ldm3d`."""

LARGEST_REQUEST = 1 << 20


@contextmanager
def warm_workers() -> Iterator[str]:
    """Yield the path of a Python to start a Ray cluster with: the workers of that cluster start warm.

    Leave the context after the cluster has stopped.
    """
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        python, address = Path(folder, "python"), str(Path(folder, "socket"))
        start = shlex.join([sys.executable, "-IS", str(Path(__file__).with_name("start_worker.py")), address])
        python.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        python.chmod(0o755)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(address)
            listening.listen(64)
            command = [sys.executable, "-m", __name__, str(listening.fileno())]
            # Ray gives a task as many threads as CPUs, which is one, but torch asks when it is imported.
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            # It ends when its standard input does, and so with this process, however that ends.
            server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()], env=environment)
        with server:
            yield str(python)


def serve(listening: socket.socket) -> list[str]:
    """Fork a worker for each request; return its command line, in the worker only."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the workers
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if listening not in ready:
            sys.exit()
        connection, _ = listening.accept()
        with connection:
            message, files, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 3)
            if os.fork() == 0:
                listening.close()
                return _become(json.loads(message), files)
            for file in files:
                os.close(file)


def _become(request: dict, files: list[int]) -> list[str]:
    """Take over the environment, the folder and the standard streams of the process that asked."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    np.random.seed()  # Python's own generator does this by itself in a fork
    return request["command"]


if __name__ == "__main__":
    # Not Ray: it reads the environment, which is each worker's own, once and for all when it is imported.
    for name in (*LIBRARIES, *(found.name for found in pkgutil.walk_packages(ldm3d.__path__, "ldm3d."))):
        importlib.import_module(name)
    assert "ray" not in sys.modules
    gc.freeze()  # a collection would touch, and so copy, every page that the workers share
    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_path(sys.argv[0], run_name="__main__")
