"""Decoding in separate processes, so that an image that crashes or hangs a native decoder costs only that image.

A *keeper* process imports the decoders, which takes a second, and forks a *worker* that decodes. When the worker dies,
its keeper reaps it, reports what ended it and forks the next, which takes milliseconds:

    caller  -- data     --  worker    image ->,  <- reason or square
    caller  -- control  --  keeper    <- wait status of the last worker, and the caller's end of the next one's data

The keeper is started as a command and not by `multiprocessing`, which would either fork a caller full of threads or
run the caller's main module again (in a Ray worker, Ray's own). No process outlives the caller, even if that is
killed: its ends of the sockets close, and the alarm ends a worker that hangs. Only the caller's own messages are
unpickled, never those of a worker, which a file may have taken over.
"""

import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar, Self

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode.messages import STATUS, receive, send
from ldm3d.decode.square import SquareImage
from ldm3d.reject import Reason, Rejected

_LONGEST_REPLY = 2**28  # bytes
_START_S = 120.0  # for imports from a slow disk
_GRACE_S = 10.0  # beyond the alarm, for a worker that is stopped or stuck in the kernel
_KEPT_FREE = 2**26  # bytes


class IsolatedDecoder:
    """`make_square` in other processes, for callers with any number of threads.

    with IsolatedDecoder(config.download, config.select) as decoder:
        square = decoder.submit(content).result()  # or raises Rejected
    """

    work: ClassVar[str] = "ldm3d.decode.square:make_square"  # by name: the keeper imports it

    def __init__(self, config: DownloadConfig, select: SelectConfig, processes: int = 1) -> None:
        """Start the processes; the first image waits for their imports.

        Args:
            config: `decode_timeout_s` bounds the time of one image, `max_pixels` the memory.
            select: the limits that `make_square` checks.
            processes: how many images are decoded at once. Each takes one CPU, and 0.1 GB before it sees an image.
        """
        self._keepers = [_Keeper(self.work, config, select) for _ in range(processes)]
        self._idle: queue.SimpleQueue[_Keeper] = queue.SimpleQueue()
        for keeper in self._keepers:
            self._idle.put(keeper)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="decoder")

    @property
    def keeper_pids(self) -> list[int]:
        """Process ids of the keepers, each the parent of its current worker. A keeper that fails is replaced."""
        return [keeper.pid for keeper in self._keepers]

    def submit(self, content: bytes) -> Future[SquareImage]:
        """Decode one fetched file. Files that wait are held in memory, so limit how many you submit.

        The future raises Rejected as `make_square` does, and also for an image that took too long (`decode_timeout`)
        or ended two workers in a row (`decoder_crashed`; the first may have been killed for what others did to the
        machine). It raises RuntimeError if no worker can be started at all.
        """
        return self._threads.submit(self._decode, content)

    def close(self) -> None:
        """Finish the images in work, cancel those that wait, end the processes."""
        self._threads.shutdown(cancel_futures=True)
        for keeper in self._keepers:
            keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self, content: bytes) -> SquareImage:
        keeper = self._idle.get()
        try:
            try:
                return keeper.ask(content)
            except _WorkerDied as death:
                if death.timed_out:
                    raise
                return keeper.ask(content)
        except _WorkerDied as death:
            reason = Reason.DECODE_TIMEOUT if death.timed_out else Reason.DECODER_CRASHED
            raise Rejected(reason, str(death)) from death
        finally:
            self._idle.put(keeper)


class _WorkerDied(Exception):  # noqa: N818 -- an event that is handled here
    """A worker ended. As in `subprocess`, a negative exit code is the signal that killed it."""

    def __init__(self, exit_code: int) -> None:
        cause = f"signal {-exit_code}, {signal.strsignal(-exit_code)}" if exit_code < 0 else f"exit code {exit_code}"
        super().__init__(f"the decoder process ended by {cause}")
        self.timed_out = exit_code == -signal.SIGALRM


class _Keeper:
    """The caller's side of one keeper and its current worker. Used by one thread at a time."""

    def __init__(self, work: str, config: DownloadConfig, select: SelectConfig) -> None:
        self._orders = pickle.dumps((work, config, select))
        self._timeout_s = config.decode_timeout_s
        self._worker: socket.socket | None = None
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, content: bytes) -> SquareImage:
        """Decode one image. Raises Rejected as the worker did, or _WorkerDied; the next worker is then ready."""
        if self._worker is None:
            _, self._worker = self._next_worker(_START_S)
        self._worker.settimeout(self._timeout_s + _GRACE_S)
        try:
            send(self._worker, content)
            reason, body = receive(self._worker, _LONGEST_REPLY), receive(self._worker, _LONGEST_REPLY)
            return _outcome(reason, body)
        except TimeoutError:
            self._restart()
            raise _WorkerDied(-signal.SIGALRM) from None
        except (OSError, ValueError):  # the connection ended, or carries what no worker would send
            raise _WorkerDied(self._bury()) from None

    def close(self) -> None:
        self._control.close()
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._kill()

    def _start(self) -> None:
        self._control, keepers_end = socket.socketpair()
        with keepers_end:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ldm3d.decode.keeper"],
                stdin=keepers_end.fileno(),
                env=os.environ | _child_environment(),
                start_new_session=True,  # a process group to kill, and no Ctrl-C from the terminal
            )
        send(self._control, self._orders)

    def _restart(self) -> None:
        self._kill()
        self.close()
        self._start()

    def _kill(self) -> None:
        """Kill the keeper and its worker, which form a process group."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _next_worker(self, timeout_s: float) -> tuple[int, socket.socket]:
        """Return the exit code of the last worker and the data socket of the next.

        Raises:
            RuntimeError: the keeper ended or hangs.
        """
        self._control.settimeout(timeout_s)
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, STATUS.size, 1)
        except OSError as error:
            raise RuntimeError(f"no answer from the decoder's keeper: {error}") from error
        if not descriptors:
            raise RuntimeError("the decoder's keeper ended: its output says why")
        return os.waitstatus_to_exitcode(STATUS.unpack(message)[0]), socket.socket(fileno=descriptors[0])

    def _bury(self) -> int:
        """Return the exit code of the worker that ended, and replace it, if need be together with its keeper."""
        assert self._worker is not None
        self._worker.close()
        try:
            exit_code, self._worker = self._next_worker(_GRACE_S)
        except RuntimeError:
            self._restart()
            return -signal.SIGKILL
        return exit_code


def _outcome(reason: bytes, body: bytes) -> SquareImage:
    """Return what a worker answered. Raises ValueError if no worker would answer that."""
    if reason:
        raise Rejected(Reason(reason.decode()), body.decode())
    return SquareImage.unpack(body)


def _child_environment() -> dict[str, str]:
    """Return the keeper's environment: the caller's import path, one thread, for safe forking, and memory to reuse.

    Every image takes some megabytes and frees them all. By default glibc returns them to the kernel, which has to
    clear each page again: more than a millisecond per image.
    """
    return {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_MMAP_THRESHOLD_": str(_KEPT_FREE // 2),
        "MALLOC_TRIM_THRESHOLD_": str(_KEPT_FREE),
    }
