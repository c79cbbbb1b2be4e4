"""The driver's side of a training on Ray Train: it starts workers, follows them, and passes signals on.

Ray Train starts the workers, connects them and restarts them when one dies. Checkpoints are our own
(`pipelines.training.checkpoints`): a worker that starts, for whatever reason, resumes from the newest whole one.
"""

import math
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Any

import ray

from pipelines.training.board import ABSENT_S, Board, Listener
from pipelines.training.job import TrainingJob
from pipelines.training.worker_process import on_worker

SCRATCH = "_state/ray_train"  # what Ray Train writes for itself
POLL_S = 0.5
RAY_TRAIN = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # else workers resolve relative paths in another folder
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # its default of 2 s delays the notice of every start, end and failure
}
Show = Callable[[int, dict[str, float]], None]
"""Told a step and the numbers that the first worker reports of it."""


def fit(job: TrainingJob[Any], owner: str, workers: int, use_gpus: bool, show: Show) -> int:
    """Run a job on `workers` workers, to its end. When one dies, all of them restart from the last checkpoint.

    Args:
        owner: the run that owns the output.

    Returns:
        Number of steps done since training began; fewer than all if somebody asked the training to stop.

    Raises:
        DivergedError, TakenOverError, ValueError, BadRowError: as the workers raised it; they do not try again.
        ray.train.TrainingFailedError: workers died more often than `max_restarts`.
    """
    import pyarrow.fs
    from ray.train.torch import TorchConfig
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig  # what ray.train has, with its types
    from ray.train.v2.torch.torch_trainer import TorchTrainer
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    os.environ.update({name: value for name, value in RAY_TRAIN.items() if name not in os.environ})
    config, output = job.config.workers, job.output
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)  # other nodes may go
    board = ray.remote(num_cpus=0, max_restarts=-1)(Board).options(scheduling_strategy=here).remote()
    settings = {
        "job": ray.put(job),  # once for all workers: networks may be part of it
        "owner": owner,
        "board": board,
        "threads": max(1, math.floor(config.cpus)),
    }
    resources = {"CPU": config.cpus, "GPU": config.gpus} if use_gpus else {"CPU": config.cpus}
    trainer = TorchTrainer(
        on_worker,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpus, resources_per_worker=resources),
        torch_config=TorchConfig(backend="nccl" if use_gpus else "gloo"),
        run_config=RunConfig(
            name=uuid.uuid4().hex,  # unique: with an old name Ray Train would resume from its own notes
            storage_path=output.path(SCRATCH),
            storage_filesystem=pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(output.fs)),
            failure_config=FailureConfig(max_failures=config.max_restarts),
            worker_runtime_env={"env_vars": RAY_TRAIN},
        ),
    )
    try:
        found = _followed(trainer, board, workers, show)
    finally:
        output.delete(SCRATCH)
    if not isinstance(found, int):
        raise found
    return found


def _followed(trainer: Any, board: Any, workers: int, show: Show) -> "int | Exception":
    """Run a trainer in a thread, and return what its first worker returned.

    Meanwhile this thread shows what workers report, and takes signals. SIGTERM asks the workers to stop, or ends the
    run if there are none; SIGINT always ends it.
    """
    ended: Future[Any] = Future()

    def run() -> None:  # in a thread, as Ray Train would otherwise take SIGINT, and exit with 1
        try:
            ended.set_result(trainer.fit().return_value)
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=run, name="ray-train", daemon=True).start()
    with _terminable() as terminated:
        listener = Listener(workers, show)
        while not ended.done():
            wait([ended], timeout=POLL_S)
            with suppress(ray.exceptions.RayActorError):  # the board is being restarted
                if terminated.is_set():
                    board.stop.remote()
                listener.take(ray.get(board.news.remote()))
            if terminated.is_set() and listener.silent_s > ABSENT_S and not ended.done():
                raise KeyboardInterrupt
    fault: Exception | None = None
    with suppress(ray.exceptions.RayActorError):  # the board is gone: the training has its own reason
        fault = ray.get(board.fault.remote())
    returned: int | Exception = fault if fault is not None else ended.result()
    return returned


@contextmanager
def _terminable() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets. Only the main thread gets signals: in others it stays unset."""
    terminated = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield terminated
        return
    before = signal.signal(signal.SIGTERM, lambda *_: terminated.set())
    try:
        yield terminated
    except KeyboardInterrupt:
        if terminated.is_set() and callable(before):
            before(signal.SIGTERM, None)  # so that the caller knows that it was SIGTERM
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
