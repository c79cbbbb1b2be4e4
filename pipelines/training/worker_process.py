"""The process of a training worker, as Ray Train runs it: set up, watched, and its errors sorted."""

import logging
import threading
from contextlib import suppress
from typing import Any

import ray
import torch

from ldm3d.memory import keep_freed_memory
from ldm3d.training.guard import DivergedError
from pipelines.storage.shards import TakenOverError
from pipelines.training.loop import Loop
from pipelines.training.reader import BadRowError
from pipelines.training.worker import Worker

POLL_S = 0.5


def on_worker(settings: dict[str, Any]) -> "int | Exception":
    """Run the training's loop on this worker.

    Args:
        settings: `job`, a reference to the `TrainingJob`; `owner`, the run's id; `board`, the handle of the `Board`;
            `threads`, how many of torch.

    Returns:
        Number of steps done since training began; or the error that a restart would meet again.
    """
    from ray.train import get_context
    from ray.train.torch import get_device

    keep_freed_memory()
    torch.set_num_threads(settings["threads"])  # more threads than CPUs is slower than one
    context, board = get_context(), settings["board"]
    fault: Exception | None = ray.get(board.begin.remote())
    if fault is not None:
        return fault
    worker = Worker(
        context.get_world_rank(), context.get_world_size(), get_device(), board, threading.Event(), threading.Event()
    )
    if worker.is_first:
        _send_warnings(board)
    done = threading.Event()
    threading.Thread(target=_watch, args=(worker, done), daemon=True).start()
    try:
        return Loop(ray.get(settings["job"]), settings["owner"], worker).run()
    except (DivergedError, TakenOverError) as error:  # met by all workers; Ray Train would retry what is raised
        return error
    except Exception as error:
        if type(error) is ValueError or isinstance(error, BadRowError):
            ray.get(board.give_up.remote(error))  # the others wait for this worker: raised, it ends them too
        raise
    finally:
        done.set()


def _send_warnings(board: Any) -> None:
    """Send this process's warnings to the driver."""

    class Sender(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            board.warn.remote(record.getMessage())

    for room in ("pipelines", "ldm3d"):
        logging.getLogger(room).handlers = [Sender(logging.WARNING)]


def _watch(worker: Worker, done: threading.Event) -> None:
    """Set the worker's `stop` when the driver asks for it, and `leaving` when Ray says that a node is drained."""
    from ray.train import get_preemption_info

    while not done.wait(POLL_S):
        with suppress(ray.exceptions.RayActorError):  # the board is being restarted
            if ray.get(worker.board.stopped.remote()):
                worker.stop.set()
        # waits for the same call of the other workers
        if not worker.stop.is_set() and get_preemption_info() is not None:
            worker.leaving.set()
