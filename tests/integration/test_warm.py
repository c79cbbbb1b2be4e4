"""A warm worker is what a worker is: it has its own environment, and only what needs no set-up starts warm."""

import atexit
import functools
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from pipelines.workers.warm import server, start
from pipelines.workers.warm.start_worker import CONTEXT, environment_of
from tests import ROOT

START_WORKER = start.HERE / "start_worker.py"
JOBS = ("rebuild_corpus", "train_autoencoder", "encode_latents", "train_diffusion", "generate", "evaluate")

forks = pytest.mark.skipif(not start.can_start_warm(), reason="workers are forked on Linux without GPUs")


@pytest.fixture
def folder():
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@forks
def test_a_worker_is_forked_by_a_process_of_one_thread_and_has_its_own_environment():
    @ray.remote(runtime_env={"env_vars": {"RAY_SET_FOR_THIS_TASK": "1"}})
    def look() -> tuple[bool, int, str, str]:
        return "torch" in sys.modules, os.getppid(), os.environ["RAY_SET_FOR_THIS_TASK"], os.environ["RAY_JOB_ID"]

    warm, parent, given, job = ray.get(look.remote())
    assert warm
    assert "pipelines.workers.warm.server" in Path(f"/proc/{parent}/cmdline").read_text().split("\0")
    assert len(os.listdir(f"/proc/{parent}/task")) == 1
    assert given == "1"
    assert job == ray.get_runtime_context().get_job_id()


@forks
def test_a_worker_has_the_priorities_that_ray_gave_to_it():
    """Ray's own defaults: it yields to other processes, and is killed before them where memory runs out."""

    @ray.remote
    def look() -> tuple[int, int, str, int]:
        score = int(Path("/proc/self/oom_score_adj").read_text())
        return os.getpriority(os.PRIO_PROCESS, 0), score, os.getcwd(), os.getsid(0) - os.getpid()

    @ray.remote(runtime_env={"env_vars": {"SET_FOR_THIS_TASK": "1"}})
    def look_cold() -> tuple[int, int, str]:
        assert os.environ["SET_FOR_THIS_TASK"] == "1"
        score = int(Path("/proc/self/oom_score_adj").read_text())
        return os.getpriority(os.PRIO_PROCESS, 0), score, os.getcwd()

    *warm, session = ray.get(look.remote())
    assert tuple(warm) == ray.get(look_cold.remote())
    assert session == 0


def test_a_worker_that_needs_more_than_rays_variables_starts_cold(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OURS": "1"})

    def environment(**context: object) -> dict[str, str] | None:
        return environment_of([CONTEXT + json.dumps(context)])

    assert environment_of(["default_worker.py"]) == {"OURS": "1"}
    assert environment(env_vars={"RAY_A": "2"}) == {"OURS": "1", "RAY_A": "2"}
    assert environment(py_executable=sys.executable) == {"OURS": "1"}
    assert environment(env_vars={"RAY_A": "${OURS}"}) is None
    assert environment(env_vars={"HF_HOME": "elsewhere"}) is None
    assert environment(py_executable="another") is None
    assert environment(env_vars={}, command_prefix=["cd", "elsewhere"]) is None


def test_a_worker_starts_cold_where_nobody_answers(folder):
    script = folder / "default_worker.py"
    script.write_text("import sys; print('started', sys.argv[1])")

    def started() -> str:
        command = [sys.executable, str(START_WORKER), str(folder / "socket"), str(script), "cold"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    assert started() == "started cold"  # no server
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(folder / "socket"))
    assert started() == "started cold"  # one that has ended


def test_no_worker_is_forked_where_there_is_a_gpu_or_it_is_switched_off(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(start, "GPUS", ())
    monkeypatch.delenv(start.SWITCH, raising=False)
    assert start.can_start_warm()
    monkeypatch.setenv(start.SWITCH, "0")
    assert not start.can_start_warm()
    monkeypatch.delenv(start.SWITCH)
    (tmp_path / "gpu").touch()
    monkeypatch.setattr(start, "GPUS", (str(tmp_path / "gpu"),))
    before = sys.executable
    with start.warm_workers():
        assert sys.executable == before


@pytest.fixture
def no_server_yet(monkeypatch):
    """A process that has started no server, on a machine where it may."""
    monkeypatch.setattr(start, "can_start_warm", lambda: True)
    monkeypatch.setattr(start, "_start_server", start._start_server.__wrapped__)


def test_where_the_path_of_a_socket_would_be_too_long_workers_start_cold(no_server_yet, tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    before = sys.executable
    with start.warm_workers():
        assert sys.executable == before
    assert list(deep.iterdir()) == []


def test_where_there_is_no_folder_for_temporary_files_workers_start_cold(no_server_yet, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    before = sys.executable
    with start.warm_workers():
        assert sys.executable == before


def test_where_no_program_may_run_workers_start_cold_and_no_server_is_left(no_server_yet, folder, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(subprocess, "Popen", None)  # not called
    before = sys.executable
    with start.warm_workers():
        assert sys.executable == before
    assert list(folder.iterdir()) == []


@forks
def test_the_server_ends_with_the_process_that_started_it():
    """However that ends: it is killed here."""
    program = (
        "import os, signal, sys\nfrom pipelines.workers.warm.start import warm_workers\n"
        "with warm_workers():\n    print(sys.executable, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment
    )
    folder = Path(killed.stdout.strip()).parent
    assert folder.name.startswith("ldm3d-workers-")
    assert not folder.exists()  # `run` returned when the server had closed its output


@forks
def test_a_server_that_nobody_asks_ends_and_leaves_the_python_that_ray_was_told(folder, monkeypatch):
    """The run joined a cluster that was there, or none of its workers can start warm."""
    (folder / "python").touch()
    monkeypatch.setattr(server, "LATER", ())
    monkeypatch.setattr(server, "PATIENCE_S", 0.01)
    reading, writing = os.pipe()
    before = signal.getsignal(signal.SIGCHLD)
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w"), socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.setattr(sys, "stdin", stdin)
        listening.bind(str(folder / "socket"))
        try:
            with pytest.raises(SystemExit):
                server.serve(listening)
        finally:
            signal.signal(signal.SIGCHLD, before)
    assert (folder / "python").exists()


@forks
def test_a_user_who_wants_more_threads_gets_warm_workers_and_gives_them_his_environment(no_server_yet, monkeypatch):
    """OpenBLAS would start them when numpy is imported, and a process of many threads cannot be forked."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    running = start._start_server()
    assert running
    try:
        python, script = running.folder / "python", running.folder / "default_worker.py"
        script.write_text("import os, sys; print('torch' in sys.modules, os.environ['OMP_NUM_THREADS'])")
        done = subprocess.run([python, str(script)], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.split() == ["True", "2"]
    finally:
        running.end()
        atexit.unregister(running.end)
    assert not running.folder.exists()


def test_a_server_whose_libraries_have_started_threads_says_that_workers_start_cold(caplog):
    leave = threading.Event()
    other = threading.Thread(target=leave.wait)
    other.start()
    try:
        with pytest.raises(SystemExit):
            server._check_alone()
    finally:
        leave.set()
        other.join()
    assert "workers start cold: a library has started threads" in caplog.text


@pytest.fixture
def no_cluster_here(tmp_path, monkeypatch) -> Path:
    """Where `ray start` would write its address."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray" / "ray_current_cluster"


def test_a_server_that_nobody_will_ask_ends_with_its_folder(no_server_yet, monkeypatch):
    started = functools.cache(start._start_server)
    monkeypatch.setattr(start, "_start_server", started)
    start.end_server()
    assert started.cache_info().currsize == 0  # there was none, and none has been started
    running = started()
    start.end_server()
    assert running.process.poll() is not None
    assert not running.folder.exists()
    assert started.cache_info().currsize == 0


def test_a_run_that_joins_a_cluster_starts_no_server(no_cluster_here, monkeypatch):
    started = []
    monkeypatch.setattr(start, "can_start_warm", lambda: True)
    monkeypatch.setattr(start, "_start_server", lambda: started.append(True))
    start.expect_cluster("ray://head:10001", dry_run=False)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    start.expect_cluster(None, dry_run=False)
    monkeypatch.delenv("RAY_ADDRESS")
    no_cluster_here.write_text("127.0.0.1:6379")  # of `ray start --head`
    start.expect_cluster(None, dry_run=False)
    no_cluster_here.unlink()
    start.expect_cluster(None, dry_run=True)  # which starts no cluster either
    assert not started
    start.expect_cluster(None, dry_run=False)
    assert started


@pytest.mark.parametrize("name", JOBS)
def test_every_job_says_early_that_it_expects_a_cluster(name, monkeypatch):
    job = importlib.import_module(f"jobs.{name}")

    def expect(address: str | None, *, dry_run: bool) -> None:
        raise InterruptedError(address)

    monkeypatch.setattr(job, "expect_cluster", expect)
    here = SimpleNamespace(address="of the settings")
    with pytest.raises(InterruptedError, match="of the settings"):
        job.main(SimpleNamespace(cluster=here, workers=here, prompt=None))
