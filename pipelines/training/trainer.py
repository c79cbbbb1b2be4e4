"""A training on Ray Train: workers that start, see each other, are restarted when they die, and stop when asked.

Ray Train brings the workers up and together. Checkpoints are our own (`pipelines.training.checkpoints`): a worker that
starts, for whatever reason, goes on from the newest that is whole.
"""

import logging
import math
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ray
import torch

from ldm3d.config import LoopConfig, WorkersConfig
from ldm3d.training.guard import DivergedError
from pipelines.storage.folder import Folder
from pipelines.storage.shards import TakenOverError
from pipelines.training.board import ABSENT_S, Board, Listener
from pipelines.training.reader import BadRowError

SCRATCH = "_state/ray_train"  # what Ray Train writes for itself
POLL_S = 0.5
RAY_TRAIN = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # else relative paths mean another folder on workers
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # its default of 2 s is how late every start, end and failure is seen
}


@dataclass(frozen=True)
class Worker:
    """One training worker: who it is, where it computes, and its line to the driver.

    stop: somebody wants the training to stop. leaving: a node of it is about to be taken away, as spot machines are.
    """

    rank: int
    workers: int
    device: torch.device
    board: Any
    stop: threading.Event
    leaving: threading.Event

    def report(self, step: int, numbers: dict[str, float]) -> None:
        """Tell the driver, without waiting for it."""
        self.board.report.remote(step, numbers)


Train = Callable[[Worker], int]
"""What a worker does, from the newest checkpoint to the end or until `worker.stop` is set; returns the steps done."""


def worker_count(config: WorkersConfig, loop: LoopConfig, cpus: float, gpus: float) -> int:
    """How many workers a cluster gets.

    Raises:
        ValueError: it has not the CPUs or GPUs that were asked for, the lanes do not divide among the workers, or
            micro-batches do not divide a worker's share of a batch.
    """
    needs, most = f"{config.cpus:g} CPUs", int(cpus / config.cpus)
    if gpus > 0 and config.gpus > 0:
        needs, most = f"{needs} and {config.gpus:g} GPUs", min(most, int(gpus / config.gpus))
    wanted = config.workers or max((n for n in range(1, max(most, 1) + 1) if loop.lanes % n == 0), default=1)
    if wanted > most:
        raise ValueError(
            f"{wanted} workers of {needs} do not fit on a cluster of {cpus:g} CPUs and {gpus:g} GPUs: lower "
            "--workers.workers, --workers.cpus or --workers.gpus"
        )
    if loop.lanes % wanted:
        raise ValueError(
            f"{loop.lanes} lanes do not divide among {wanted} workers: change --workers.workers or --loop.lanes"
        )
    share = loop.batch_size // wanted
    if loop.micro_batch and share % loop.micro_batch:
        raise ValueError(
            f"micro-batches of {loop.micro_batch} do not divide the {share} samples a step of each worker: "
            "change --loop.micro-batch to a divisor"
        )
    return wanted


def fit(
    train: Train,
    config: WorkersConfig,
    workers: int,
    use_gpus: bool,
    output: Folder,
    show: Callable[[int, dict[str, float]], None],
) -> int:
    """Run `train` on that many workers, to its end. A worker that dies takes all of them back to the last checkpoint.

    Args:
        show: told the numbers that the first worker reports.

    Returns:
        Steps done since the very first; fewer than all where somebody asked it to stop.

    Raises:
        DivergedError, TakenOverError, ValueError, BadRowError: as the workers raised it; they do not try again.
        ray.train.TrainingFailedError: workers died more often than `config.max_restarts`.
    """
    import pyarrow.fs
    from ray.train.torch import TorchConfig
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig  # what ray.train has, with its types
    from ray.train.v2.torch.torch_trainer import TorchTrainer
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    os.environ.update({name: value for name, value in RAY_TRAIN.items() if name not in os.environ})
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)  # other nodes may go
    board = ray.remote(num_cpus=0, max_restarts=-1)(Board).options(scheduling_strategy=here).remote()
    resources = {"CPU": config.cpus, "GPU": config.gpus} if use_gpus else {"CPU": config.cpus}
    trainer = TorchTrainer(
        _on_worker,
        train_loop_config={"train": train, "board": board, "threads": max(1, math.floor(config.cpus))},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpus, resources_per_worker=resources),
        torch_config=TorchConfig(backend="nccl" if use_gpus else "gloo"),
        run_config=RunConfig(
            name=uuid.uuid4().hex,  # a name of its own: with an old one Ray Train would go on from its own notes
            storage_path=output.path(SCRATCH),
            storage_filesystem=pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(output.fs)),
            failure_config=FailureConfig(max_failures=config.max_restarts),
            worker_runtime_env={"env_vars": RAY_TRAIN},
        ),
    )
    try:
        found = _attended(trainer, board, workers, show)
    finally:
        output.delete(SCRATCH)
    if not isinstance(found, int):
        raise found
    return found


def _on_worker(settings: dict[str, Any]) -> "int | Exception":
    from ray.train import get_context
    from ray.train.torch import get_device

    torch.set_num_threads(settings["threads"])  # more threads than CPUs is slower than one
    context, board = get_context(), settings["board"]
    fault: Exception | None = ray.get(board.begin.remote())
    if fault is not None:
        return fault
    if context.get_world_rank() == 0:
        _send_warnings(board)
    stop, leaving = threading.Event(), threading.Event()
    worker = Worker(context.get_world_rank(), context.get_world_size(), get_device(), board, stop, leaving)
    done = threading.Event()
    threading.Thread(target=_watch, args=(worker, done), daemon=True).start()
    try:
        return int(settings["train"](worker))
    except (DivergedError, TakenOverError) as error:  # on all workers: as a value, as what is raised is tried again
        return error
    except Exception as error:
        if type(error) is ValueError or isinstance(error, BadRowError):
            ray.get(board.give_up.remote(error))  # the others wait for this worker: raised, it ends them too
        raise
    finally:
        done.set()


def _send_warnings(board: Any) -> None:
    """What this process warns of goes to the driver."""

    class Sender(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            board.warn.remote(record.getMessage())

    for room in ("pipelines", "ldm3d"):
        logging.getLogger(room).handlers = [Sender(logging.WARNING)]


def _watch(worker: Worker, done: threading.Event) -> None:
    """Set the worker's `stop` when the driver wants that, and `leaving` when Ray says that a node is drained."""
    from ray.train import get_preemption_info

    while not done.wait(POLL_S):
        with suppress(ray.exceptions.RayActorError):  # it is being started anew
            if ray.get(worker.board.stopped.remote()):
                worker.stop.set()
        # waits for the same call of the other workers
        if not worker.stop.is_set() and get_preemption_info() is not None:
            worker.leaving.set()


def _attended(
    trainer: Any, board: Any, workers: int, show: Callable[[int, dict[str, float]], None]
) -> "int | Exception":
    """What the first worker returned. Meanwhile this thread shows what workers tell, and hears signals: SIGTERM is
    passed on to them as the wish to stop; where there are none it ends the run, as SIGINT always does.
    """
    ended: Future[Any] = Future()

    def run() -> None:  # in a thread of its own, as Ray Train else takes SIGINT, and exits with 1
        try:
            ended.set_result(trainer.fit().return_value)
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=run, name="ray-train", daemon=True).start()
    with _terminable() as terminated:
        listener = Listener(workers, show)
        while not ended.done():
            wait([ended], timeout=POLL_S)
            with suppress(ray.exceptions.RayActorError):  # it is being started anew
                if terminated.is_set():
                    board.stop.remote()
                listener.take(ray.get(board.news.remote()))
            if terminated.is_set() and listener.silent_s > ABSENT_S and not ended.done():
                raise KeyboardInterrupt
    fault: Exception | None = ray.get(board.fault.remote())
    returned: int | Exception = fault if fault is not None else ended.result()
    return returned


@contextmanager
def _terminable() -> Iterator[threading.Event]:
    """Set by SIGTERM. Outside the main thread, which alone gets signals, it stays as it is."""
    terminated = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield terminated
        return
    before = signal.signal(signal.SIGTERM, lambda *_: terminated.set())
    try:
        yield terminated
    except KeyboardInterrupt:
        if terminated.is_set() and callable(before):
            before(signal.SIGTERM, None)  # which says what it was
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
