"""The process from which Ray workers are forked: it imports, then forks a worker for each request."""

import gc
import importlib
import json
import logging
import os
import runpy
import select
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

FIRST = ("numpy", "cv2", "pyarrow.parquet", "torch", "transformers.models.dpt.modeling_dpt")
"""What nearly every worker imports. Not Ray: it reads the environment, which is each worker's own, when imported."""
LATER = (
    "transformers.models.clip.modeling_clip",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.schedulers.scheduling_ddim",
    "torch.distributed.checkpoint",
    "torch.distributed.fsdp",
    "torch.utils.tensorboard",
    "pyarrow.dataset",
    "matplotlib.figure",
    "imagecodecs",
    "lpips",
    "torch_fidelity",
    "peft",
)
"""What the workers of some stages import too; imported here while no worker is wanted."""

logger = logging.getLogger(__name__)

FORKED = b"forked"  # the answer to a request
PATIENCE_S = 600  # without any request: the run joined a cluster that was there
LARGEST_REQUEST = 1 << 20


def serve(listening: socket.socket) -> list[str]:
    """Fork a worker for each request. Returns its command line, in the worker only.

    The process ends when its standard input does, and so with the process that started it, however that ends; also
    when it cannot fork any more, or nobody has ever asked. Ray's workers then start cold.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the workers
    later = list(LATER)
    patience_s: float | None = PATIENCE_S
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [], 0 if later else patience_s)
        if sys.stdin in ready:
            shutil.rmtree(Path(listening.getsockname()).parent, ignore_errors=True)
            sys.exit()
        if listening in ready:
            _check_alone()
            command = _forked(listening)
            if command is not None:
                return command
            patience_s = None
        elif later and not ready:
            _import(later.pop(0))
        else:
            sys.exit()


def _check_alone() -> None:
    """End this process, and say so, unless it has one thread, as a process that is forked must."""
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        logger.warning("workers start cold: a library has started threads when it was imported (%d in all)", threads)
        sys.exit()


def _forked(listening: socket.socket) -> list[str] | None:
    """Answer one request. Returns the command line in the new worker, None in this process."""
    connection, _ = listening.accept()
    with connection:
        message, files, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 3)
        if message and not _has_left(connection) and os.fork() == 0:
            listening.close()
            return _become(json.loads(message), files)
        for file in files:
            os.close(file)
        with suppress(OSError):  # whoever asked has been killed
            connection.send(FORKED)
    return None


def _has_left(connection: socket.socket) -> bool:
    """Whether whoever asked has been killed, or has started cold by now."""
    poll = select.poll()
    poll.register(connection, select.POLLHUP)
    return bool(poll.poll(0))


def _become(request: dict[str, Any], files: list[int]) -> list[str]:
    """Take over environment, folder, priorities and standard streams of the process that asked."""
    import numpy as np

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    os.nice(max(0, request["niceness"] - os.nice(0)))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(request["oom_score_adj"])
    np.random.seed()  # Python's own generator does this by itself in a fork
    command: list[str] = request["command"]
    return command


def _import(name: str) -> None:
    with suppress(Exception):  # a worker that needs it will say so
        importlib.import_module(name)
    gc.freeze()  # a collection would touch, and so copy, every page that the workers share


def main() -> None:
    listening = socket.socket(fileno=int(sys.argv[1]))
    for name in FIRST:
        _import(name)
    _check_alone()  # the imports of LATER would be in vain, and take CPU from the run
    sys.argv = serve(listening)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
