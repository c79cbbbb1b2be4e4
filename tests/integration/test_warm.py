"""A warm worker is what a worker is: it has its own environment, and only what needs no set-up starts warm."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from pipelines.workers.warm import server, start
from pipelines.workers.warm.start_worker import CONTEXT, environment_of

START_WORKER = start.HERE / "start_worker.py"


def test_a_worker_has_its_imports_and_its_own_environment():
    @ray.remote(runtime_env={"env_vars": {"SET_FOR_THIS_TASK": "1"}})
    def look() -> tuple[bool, str, str]:
        return "torch" in sys.modules, os.environ["SET_FOR_THIS_TASK"], os.environ["RAY_JOB_ID"]

    warm, given, job = ray.get(look.remote())
    assert warm
    assert given == "1"
    assert job == ray.get_runtime_context().get_job_id()


def test_a_worker_that_needs_more_than_variables_starts_as_ray_has_it(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OURS": "1"})
    assert environment_of(["default_worker.py"]) == {"OURS": "1"}
    assert environment_of([CONTEXT + json.dumps({"env_vars": {"A": "2"}})]) == {"OURS": "1", "A": "2"}
    assert environment_of([CONTEXT + json.dumps({"py_executable": sys.executable})]) == {"OURS": "1"}
    assert environment_of([CONTEXT + json.dumps({"py_executable": "another"})]) is None
    assert environment_of([CONTEXT + json.dumps({"env_vars": {}, "command_prefix": ["cd", "elsewhere"]})]) is None


def test_a_worker_starts_as_ray_has_it_where_nobody_answers(tmp_path):
    script = tmp_path / "default_worker.py"
    script.write_text("import sys; print('started', sys.argv[1])")

    def started() -> str:
        command = [sys.executable, str(START_WORKER), str(tmp_path / "socket"), str(script), "cold"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    assert started() == "started cold"  # no server
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as ended:
        ended.bind(str(tmp_path / "socket"))
    assert started() == "started cold"  # one that has ended


def test_no_worker_is_forked_where_there_is_a_gpu(tmp_path, monkeypatch):
    assert start.can_start_warm() == sys.platform.startswith("linux")
    (tmp_path / "gpu").touch()
    monkeypatch.setattr(start, "GPUS", (str(tmp_path / "gpu"),))
    before = sys.executable
    with start.warm_workers():
        assert sys.executable == before


def test_the_server_ends_with_the_process_that_started_it():
    """However that ends: it is killed here."""
    program = (
        "import os, signal, sys\nfrom pipelines.workers.warm.start import warm_workers\n"
        "with warm_workers():\n    print(sys.executable, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    folder = Path(killed.stdout.strip()).parent
    assert folder.name.startswith("ldm3d-workers-")
    assert not folder.exists()  # `run` returned when the server had closed its output


def test_a_server_ends_if_nobody_wants_workers(tmp_path, monkeypatch):
    """The run joined a cluster that was there."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(server, "LATER", ())
    monkeypatch.setattr(server, "PATIENCE_S", 0.01)
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w"), socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.setattr(sys, "stdin", stdin)
        listening.bind(str(folder / "socket"))
        before = signal.getsignal(signal.SIGCHLD)
        try:
            with pytest.raises(SystemExit):
                server.serve(listening)
        finally:
            signal.signal(signal.SIGCHLD, before)
    assert not folder.exists()


def test_a_run_that_joins_a_cluster_starts_no_server(monkeypatch):
    started = []
    monkeypatch.setattr(start, "can_start_warm", lambda: True)
    monkeypatch.setattr(start, "_start_server", lambda: started.append(True))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    start.expect_cluster("ray://head:10001")
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    start.expect_cluster(None)
    assert not started
    monkeypatch.delenv("RAY_ADDRESS")
    start.expect_cluster(None)
    assert started
