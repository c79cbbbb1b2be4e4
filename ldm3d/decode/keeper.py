"""The side of the decoder that may die: a keeper that forks workers, and its current worker. A command.

`ldm3d.decode.isolated` starts it, with the control socket as its standard input, and describes the protocol.
"""

import io
import os
import pickle
import pkgutil
import resource
import signal
import socket
from collections.abc import Callable

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode.area import AREA
from ldm3d.decode.lanczos import LANCZOS
from ldm3d.decode.messages import STATUS, has_hung_up, receive, send
from ldm3d.decode.square import SquareImage, make_square
from ldm3d.reject import Reason, Rejected

Work = Callable[[bytes, DownloadConfig, SelectConfig], SquareImage]

COMPILED_SIDE = 256  # pixels of a square from which compiling pays after some hundred pictures
_BASE_MEMORY = 2 * 2**30  # address space in bytes, for interpreter, libraries and the fetched file ...
_BYTES_PER_PIXEL = 32  # ... and for an image in all the forms that exist at once


def keep(control: socket.socket) -> None:
    """Run as a keeper until the caller is gone: fork a worker, hand out its socket, wait for its end."""
    name, config, select = pickle.loads(receive(control))
    work: Work = pkgutil.resolve_name(name)
    _warm_up(config)
    status = 0
    while not has_hung_up(control):
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
            socket.send_fds(control, [STATUS.pack(status)], [callers_end.fileno()])
        except OSError:
            return  # the new worker ends too: the other end of its connection closes with this process
        callers_end.close()
        _, status = os.waitpid(worker, 0)


def _serve(data: socket.socket, work: Work, config: DownloadConfig, select: SelectConfig) -> None:
    """Run as a worker until the caller hangs up: decode image after image, each within its time."""
    while True:
        try:
            content = receive(data)
        except OSError:
            return
        signal.setitimer(signal.ITIMER_REAL, config.decode_timeout_s)
        answer = _answer(work, content, config, select)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(data, *answer)


def _answer(work: Work, content: bytes, config: DownloadConfig, select: SelectConfig) -> tuple[bytes, bytes]:
    try:
        square = work(content, config, select)
    except Rejected as rejected:
        return rejected.reason.encode(), rejected.detail.encode(errors="replace")
    except Exception as error:  # our own fault: the row is lost, the run goes on, the detail says why
        return Reason.DECODE_FAILED.encode(), f"{type(error).__name__}: {error}"[:300].encode(errors="replace")
    return b"", square.pack()


def _warm_up(config: DownloadConfig) -> None:
    """Import all that `make_square` needs, so that workers start with it. Starts no thread, as a fork follows."""
    import cv2
    from PIL import Image

    cv2.setNumThreads(1)
    if config.image_size >= COMPILED_SIDE:
        AREA.prepare()
        LANCZOS.prepare()
    Image.init()
    tiny = io.BytesIO()
    Image.new("RGB", (8, 8)).save(tiny, "PNG")
    make_square(tiny.getvalue(), config, SelectConfig())


def _limit(config: DownloadConfig) -> None:
    """Bound what an image can do to the machine: memory, core files, lines in the log and, by the alarm, time."""
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


if __name__ == "__main__":
    keep(socket.socket(fileno=0))
