"""One poisonous image costs one image: not its neighbours, not the process that asked, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import cv2
import numpy as np
import pytest

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode import IsolatedDecoder, isolated, make_square
from ldm3d.reject import Reason, Rejected
from tests import ROOT

CONFIG = DownloadConfig(image_size=32, decode_timeout_s=10)
HURRIED = DownloadConfig(image_size=32, decode_timeout_s=0.5)
ANY = SelectConfig()

# Contents that name what a decoder may do to its process; anything else is an image.
POISON = """
import ctypes, mmap, os, signal, time
from ldm3d.decode import make_square

def work(content, config, select):
    match content:
        case b"segfault":
            ctypes.string_at(0)
        case b"abort":
            os.abort()
        case b"exit":
            os._exit(0)
        case b"signal":
            os.kill(os.getpid(), signal.SIGRTMIN + 3)  # has no name
        case b"hang":
            ctypes.PyDLL(None).pause()  # native, and holds the interpreter's lock
        case b"stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case b"noise":
            os.write(1, b"noise" * 10_000), os.write(2, b"noise" * 10_000), print("noise")
        case b"memory":
            mmap.mmap(-1, 8 * 2**30)
        case b"takeover":  # writes what it likes into every connection
            for descriptor in range(3, 20):
                try:
                    os.write(descriptor, b"\\xff" * 64)
                except OSError:
                    pass
            time.sleep(60)
        case b"once":  # dies unless a marker says that it has died before
            if not os.path.exists(os.environ["ONCE"]):
                open(os.environ["ONCE"], "w").close()
                os.abort()
    return make_square(IMAGE if content in (b"noise", b"once") else content, config, select)
"""


def jpeg(seed: int = 0, size: int = 48) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])


class PoisonedDecoder(IsolatedDecoder):
    work = "poison:work"


@pytest.fixture(scope="module")
def poison(tmp_path_factory):
    """The module `poison`, importable here and so in the decoder's processes."""
    folder = tmp_path_factory.mktemp("poison")
    (folder / "poison.py").write_text(POISON + f"\nIMAGE = {jpeg()!r}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("ONCE", str(folder / "once"))
        yield folder


@pytest.fixture(scope="module")
def decoder(poison):
    with PoisonedDecoder(CONFIG, ANY) as decoder:
        yield decoder


@pytest.fixture(scope="module")
def hurried(poison):
    with PoisonedDecoder(HURRIED, ANY) as decoder:
        yield decoder


def rejection(decoder: IsolatedDecoder, content: bytes) -> Rejected:
    error = decoder.submit(content).exception()
    assert isinstance(error, Rejected), error
    return error


def children(pid: int) -> list[int]:
    return [int(child) for of in Path(f"/proc/{pid}/task").glob("*/children") for child in of.read_text().split()]


def keepers_and_workers(decoder: IsolatedDecoder) -> list[tuple[int, int]]:
    """The process ids of each keeper of an idle decoder and of its only worker."""
    found = []
    for keeper in decoder.keeper_pids:
        (worker,) = children(keeper)
        found.append((keeper, worker))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{[pid for pid in pids if is_running(pid)]} live on"
        time.sleep(0.01)


def test_an_isolated_square_is_the_square(decoder):
    for seed in range(3):
        assert decoder.submit(jpeg(seed)).result() == make_square(jpeg(seed), CONFIG, ANY)


def test_a_reject_keeps_its_reason_and_detail(decoder):
    with pytest.raises(Rejected) as expected:
        make_square(b"<html>", CONFIG, ANY)
    rejected = rejection(decoder, b"<html>")
    assert (rejected.reason, rejected.detail) == (expected.value.reason, expected.value.detail)


def test_an_empty_file_is_a_reject(decoder):
    assert rejection(decoder, b"").reason == Reason.NOT_AN_IMAGE


def test_large_files_pass_whole(decoder):
    content = jpeg(1) + bytes(8 * 2**20)  # a decoder ignores what follows the end of a JPEG
    assert decoder.submit(content).result() == decoder.submit(jpeg(1)).result()


@pytest.mark.parametrize("crashing", [b"segfault", b"abort", b"exit", b"signal"])
def test_a_crash_costs_one_image_and_no_neighbour(decoder, crashing):
    before, crash, after = [decoder.submit(content) for content in (jpeg(1), crashing, jpeg(2))]
    assert crash.exception().reason == Reason.DECODER_CRASHED
    assert before.result() == make_square(jpeg(1), CONFIG, ANY)
    assert after.result() == make_square(jpeg(2), CONFIG, ANY)


def test_the_detail_of_a_crash_names_the_signal(decoder):
    assert "Segmentation fault" in rejection(decoder, b"segfault").detail


def test_a_hang_costs_one_image_and_its_time(hurried):
    hurried.submit(jpeg()).result()
    start = time.monotonic()
    hang, after = hurried.submit(b"hang"), hurried.submit(jpeg(2))
    assert hang.exception().reason == Reason.DECODE_TIMEOUT
    assert HURRIED.decode_timeout_s <= time.monotonic() - start < HURRIED.decode_timeout_s + 1
    assert after.result() == make_square(jpeg(2), CONFIG, ANY)


def test_an_image_whose_process_was_killed_for_anothers_sake_is_kept(decoder):
    assert decoder.submit(b"once").result() == make_square(jpeg(), CONFIG, ANY)


def test_an_idle_worker_that_is_killed_costs_no_image(decoder):
    decoder.submit(jpeg()).result()
    ((_, worker),) = keepers_and_workers(decoder)
    os.kill(worker, signal.SIGKILL)
    assert decoder.submit(jpeg(3)).result() == make_square(jpeg(3), CONFIG, ANY)


def test_a_killed_keeper_costs_no_image(decoder):
    decoder.submit(jpeg()).result()
    ((keeper, worker),) = keepers_and_workers(decoder)
    os.kill(keeper, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    assert decoder.submit(jpeg(3)).result() == make_square(jpeg(3), CONFIG, ANY)


def test_noise_on_stdout_and_stderr_neither_disturbs_nor_shows(decoder, capfd):
    assert decoder.submit(b"noise").result() == make_square(jpeg(), CONFIG, ANY)
    assert "noise" not in "".join(capfd.readouterr())


def test_memory_beyond_the_limit_is_a_reject(decoder):
    rejected = rejection(decoder, b"memory")
    assert rejected.reason == Reason.DECODE_FAILED
    assert "Cannot allocate memory" in rejected.detail


def test_a_worker_that_no_alarm_ends_is_killed_and_replaced(monkeypatch, hurried):
    monkeypatch.setattr(isolated, "_GRACE_S", 0.1)
    hurried.submit(jpeg()).result()
    (processes,) = keepers_and_workers(hurried)
    assert rejection(hurried, b"stop").reason == Reason.DECODE_TIMEOUT
    wait_until_gone(*processes)
    assert hurried.submit(jpeg(2)).result() == make_square(jpeg(2), CONFIG, ANY)


def test_a_worker_that_a_file_has_taken_over_is_not_believed(hurried):
    assert rejection(hurried, b"takeover").reason == Reason.DECODE_TIMEOUT
    assert hurried.submit(jpeg(2)).result() == make_square(jpeg(2), CONFIG, ANY)


def test_two_processes_decode_at_once(poison):
    with PoisonedDecoder(CONFIG, ANY, processes=2) as decoder:
        for future in [decoder.submit(jpeg()), decoder.submit(jpeg())]:  # both have started
            future.result()
        workers = [worker for _, worker in keepers_and_workers(decoder)]
        assert len(workers) == 2
        hang = decoder.submit(b"hang")
        neighbours = [decoder.submit(jpeg(seed)) for seed in range(8)]
        assert [future.result() for future in neighbours] == [
            make_square(jpeg(seed), CONFIG, ANY) for seed in range(8)
        ]
        assert not hang.done()
        for worker in workers:
            os.kill(worker, signal.SIGALRM)  # as the alarm would in ten seconds
        assert hang.exception().reason == Reason.DECODE_TIMEOUT


def test_a_keeper_forks_from_a_single_thread(decoder):
    decoder.submit(jpeg()).result()
    ((keeper, _),) = keepers_and_workers(decoder)
    threads = [task.read_text().strip() for task in Path(f"/proc/{keeper}/task").glob("*/comm")]
    threads = [thread for thread in threads if thread != "jemalloc_bg_thd"]  # pyarrow's; jemalloc knows how to fork
    assert len(threads) == 1, threads


def test_nothing_runs_after_close(poison):
    with PoisonedDecoder(HURRIED, ANY) as decoder:
        decoder.submit(jpeg()).result()
        (processes,) = keepers_and_workers(decoder)
        assert all(is_running(pid) for pid in processes)
        running, waiting = decoder.submit(b"hang"), decoder.submit(jpeg())
        while not running.running():
            time.sleep(0.001)
    assert running.exception().reason == Reason.DECODE_TIMEOUT
    with pytest.raises(CancelledError):
        waiting.result()
    assert not any(is_running(pid) for pid in processes)
    with pytest.raises(ProcessLookupError):
        os.killpg(processes[0], 0)  # nor any other that the keeper has forked


CALLER = """
from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode import IsolatedDecoder

IsolatedDecoder.work = "poison:work"
decoder = IsolatedDecoder(DownloadConfig(image_size=32, decode_timeout_s=0.5), SelectConfig())
decoder.submit(b"noise").result()
decoder.submit(b"hang")
print("hanging", flush=True)
input()
"""


def test_nothing_runs_after_the_caller_is_killed(poison):
    environment = os.environ | {"PYTHONPATH": f"{poison}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", CALLER]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as caller:
        assert caller.stdout.readline() == b"hanging\n"
        (keeper,) = children(caller.pid)
        (worker,) = children(keeper)
        caller.kill()
    wait_until_gone(keeper, worker)


def test_a_decoder_that_cannot_start_says_so(capfd):
    class Broken(IsolatedDecoder):
        work = "no_such_module:work"

    with Broken(CONFIG, ANY) as decoder, pytest.raises(RuntimeError, match="its output says why"):
        decoder.submit(jpeg()).result()
    assert "no_such_module" in capfd.readouterr().err
