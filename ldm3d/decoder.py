"""Decoding in a process of its own, so that an image that crashes or hangs a native decoder costs that image alone.

A *keeper* process imports the decoders, which takes a second, and forks a *worker* that decodes. When the worker dies
its keeper reaps it, says what ended it and forks the next, which takes milliseconds:

    caller  -- data     --  worker    image ->,  <- reason or square
    caller  -- control  --  keeper    <- wait status of the last worker, and the caller's end of the next one's data

The keeper is started as a command and not by `multiprocessing`, which would fork a caller full of threads, or else run
the caller's main module again (in a Ray worker that is Ray's own). Nobody outlives the caller, even if that is killed:
its ends of the sockets close, and the alarm ends a worker that hangs. Only the caller's own words are unpickled, never
those of a worker, which a file may have taken over.
"""

import io
import os
import pickle
import pkgutil
import queue
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar, Self

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.images import SquareImage, make_square
from ldm3d.reason import Reason
from ldm3d.rejected import Rejected

Work = Callable[[bytes, DownloadConfig, SelectConfig], SquareImage]

_LENGTH = struct.Struct("!Q")
_STATUS = struct.Struct("!i")
_SQUARE = struct.Struct("!iiq")  # width, height, perceptual hash; the JPEG follows

_LONGEST_REPLY = 2**28  # bytes
_START_S = 120.0  # imports from a slow disk
_GRACE_S = 10.0  # beyond the alarm, for a worker that is stopped or stuck in the kernel
_BASE_MEMORY = 2 * 2**30  # address space in bytes: interpreter, libraries and the fetched file ...
_BYTES_PER_PIXEL = 32  # ... and an image in all the forms that exist at once


class IsolatedDecoder:
    """`make_square` in other processes, for callers of any number of threads.

    with IsolatedDecoder(config.download, config.select) as decoder:
        square = decoder.submit(content).result()  # or raises Rejected
    """

    work: ClassVar[str] = "ldm3d.images:make_square"  # by name: the keeper imports it

    def __init__(self, config: DownloadConfig, select: SelectConfig, processes: int = 1) -> None:
        """Start the processes; the first image waits for their imports.

        Args:
            config: `decode_timeout_s` bounds the time of one image, `max_pixels` the memory.
            select: the limits that `make_square` checks.
            processes: how many images are decoded at once. Each takes one CPU, and 0.1 GB before it sees an image.
        """
        self._keepers: queue.SimpleQueue[_Keeper] = queue.SimpleQueue()
        for _ in range(processes):
            self._keepers.put(_Keeper(self.work, config, select))
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="decoder")

    def submit(self, content: bytes) -> Future[SquareImage]:
        """Decode one fetched file. Files that wait are held in memory: bound how many you submit.

        The future raises Rejected as `make_square` does, and for an image that took too long (`decode_timeout`) or
        ended two workers in a row (`decoder_crashed`; the first may have been killed for what others did to the
        machine). It raises RuntimeError where no worker can be started at all.
        """
        return self._threads.submit(self._decode, content)

    def close(self) -> None:
        """Finish the images in work, cancel those that wait, end the processes."""
        self._threads.shutdown(cancel_futures=True)
        while not self._keepers.empty():
            self._keepers.get().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self, content: bytes) -> SquareImage:
        keeper = self._keepers.get()
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
            self._keepers.put(keeper)


class _WorkerDied(Exception):  # noqa: N818 -- an event that is dealt with here
    """exit_code: as `subprocess` has it, a negative number is the signal that killed it."""

    def __init__(self, exit_code: int) -> None:
        cause = f"signal {-exit_code}, {signal.strsignal(-exit_code)}" if exit_code < 0 else f"exit code {exit_code}"
        super().__init__(f"the decoder process ended by {cause}")
        self.timed_out = exit_code == -signal.SIGALRM


class _Keeper:
    """The caller's side of one keeper and its worker of the moment. One thread at a time."""

    def __init__(self, work: str, config: DownloadConfig, select: SelectConfig) -> None:
        self._orders = pickle.dumps((work, config, select))
        self._timeout_s = config.decode_timeout_s
        self._worker: socket.socket | None = None
        self._start()

    def ask(self, content: bytes) -> SquareImage:
        """Raises Rejected as the worker did, or _WorkerDied; the next worker is then at hand."""
        if self._worker is None:
            _, self._worker = self._next_worker(_START_S)
        self._worker.settimeout(self._timeout_s + _GRACE_S)
        try:
            _send(self._worker, content)
            reason, body = _receive(self._worker, _LONGEST_REPLY), _receive(self._worker, _LONGEST_REPLY)
            return _outcome(reason, body)
        except TimeoutError:
            self._restart()
            raise _WorkerDied(-signal.SIGALRM) from None
        except (OSError, ValueError):  # the connection ended, or does not carry what a worker would say
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
                [sys.executable, "-P", "-m", "ldm3d.decoder"],
                stdin=keepers_end.fileno(),
                env=os.environ | _child_environment(),
                start_new_session=True,  # a group to kill, and no Ctrl-C of the terminal's
            )
        _send(self._control, self._orders)

    def _restart(self) -> None:
        self._kill()
        self.close()
        self._start()

    def _kill(self) -> None:
        """End the keeper and its worker, a process group of their own."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _next_worker(self, timeout_s: float) -> tuple[int, socket.socket]:
        """(exit code of the last worker, data socket of the next). Raises RuntimeError: the keeper ended or hangs."""
        self._control.settimeout(timeout_s)
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, _STATUS.size, 1)
        except OSError as error:
            raise RuntimeError(f"no answer from the decoder's keeper: {error}") from error
        if not descriptors:
            raise RuntimeError("the decoder's keeper ended: its output says why")
        return os.waitstatus_to_exitcode(_STATUS.unpack(message)[0]), socket.socket(fileno=descriptors[0])

    def _bury(self) -> int:
        """Exit code of the worker that ended; the next one, or else a new keeper, takes its place."""
        assert self._worker is not None
        self._worker.close()
        try:
            exit_code, self._worker = self._next_worker(_GRACE_S)
        except RuntimeError:
            self._restart()
            return -signal.SIGKILL
        return exit_code


def keep(control: socket.socket) -> None:
    """What a keeper does, until the caller is gone: fork a worker, hand out its socket, wait for its end."""
    name, config, select = pickle.loads(_receive(control))
    work: Work = pkgutil.resolve_name(name)
    _warm_up(config)
    status = 0
    while not _has_hung_up(control):
        callers_end, workers_end = socket.socketpair()
        worker = os.fork()
        if worker == 0:
            try:
                control.close()
                callers_end.close()
                _limit(config)
                _serve(workers_end, work, config, select)
            finally:
                os._exit(0)  # whatever happens, it never becomes a second keeper
        workers_end.close()
        try:
            socket.send_fds(control, [_STATUS.pack(status)], [callers_end.fileno()])
        except OSError:
            return  # the new worker ends, too: the other end of its connection goes with this process
        callers_end.close()
        _, status = os.waitpid(worker, 0)


def _serve(data: socket.socket, work: Work, config: DownloadConfig, select: SelectConfig) -> None:
    """What a worker does: image after image, each within its time, until the caller hangs up."""
    while True:
        try:
            content = _receive(data)
        except OSError:
            return
        signal.setitimer(signal.ITIMER_REAL, config.decode_timeout_s)
        reason, body = _answer(work, content, config, select)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(data, reason)
        _send(data, body)


def _answer(work: Work, content: bytes, config: DownloadConfig, select: SelectConfig) -> tuple[bytes, bytes]:
    try:
        square = work(content, config, select)
    except Rejected as rejected:
        return rejected.reason.encode(), rejected.detail.encode(errors="replace")
    except Exception as error:  # a fault of ours: the row is lost, the run goes on, the detail tells
        return Reason.DECODE_FAILED.encode(), f"{type(error).__name__}: {error}"[:300].encode(errors="replace")
    return b"", _SQUARE.pack(square.original_width, square.original_height, square.perceptual_hash) + square.jpeg


def _outcome(reason: bytes, body: bytes) -> SquareImage:
    """The inverse of `_answer`. Raises ValueError: not what `_answer` returns."""
    if reason:
        raise Rejected(Reason(reason.decode()), body.decode())
    if len(body) < _SQUARE.size:
        raise ValueError(f"a square of {len(body)} bytes")
    width, height, perceptual_hash = _SQUARE.unpack_from(body)
    return SquareImage(body[_SQUARE.size :], width, height, perceptual_hash)


def _warm_up(config: DownloadConfig) -> None:
    """Import all that `make_square` does, so that workers are born with it. Starts no thread, for a fork follows."""
    import cv2
    from PIL import Image

    cv2.setNumThreads(1)
    Image.init()
    tiny = io.BytesIO()
    Image.new("RGB", (8, 8)).save(tiny, "PNG")
    make_square(tiny.getvalue(), config, SelectConfig())


def _limit(config: DownloadConfig) -> None:
    """Bound what an image can do to the machine: memory, core files, lines in the log, and by the alarm, time."""
    memory = _BASE_MEMORY + _BYTES_PER_PIXEL * config.max_pixels
    _, hardest = resource.getrlimit(resource.RLIMIT_AS)
    if hardest != resource.RLIM_INFINITY:
        memory = min(memory, hardest)
    resource.setrlimit(resource.RLIMIT_AS, (memory, hardest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def _child_environment() -> dict[str, str]:
    """The caller's import path, and one thread: a process may only fork while it has one."""
    return {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _has_hung_up(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _send(connection: socket.socket, content: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(content)))
    connection.sendall(content)


def _receive(connection: socket.socket, longest: int = 2**40) -> bytes:
    """Raises OSError: the connection ended; ValueError: the message is longer than `longest` bytes."""
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))
    if length > longest:
        raise ValueError(f"a message of {length} bytes, at most {longest} are taken")
    return _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, length: int) -> bytes:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise ConnectionResetError("the other side hung up")
        view = view[count:]
    return bytes(content)


if __name__ == "__main__":
    keep(socket.socket(fileno=0))
