"""What the README says to type, on a cluster of its own: Ray's dashboard takes the job, workers get the checkout."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.trial import rows_of
from ldm3d.toy.world import build_world
from tests import ROOT

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def outside() -> dict[str, str]:
    """The environment of a shell that knows neither this import path nor the session's cluster."""
    ours = ("PYTHONPATH", "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    return {name: value for name, value in os.environ.items() if name not in ours}


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """The address of the dashboard of a cluster of its own, whose processes know nothing of this one's import path."""
    folder = tempfile.mkdtemp(prefix="ray-")  # pytest's names are too long for Ray's sockets
    port, agent = free_port(), free_port()
    settings = {
        "--node-ip-address": "127.0.0.1",
        "--port": free_port(),
        "--dashboard-host": "127.0.0.1",
        "--dashboard-port": port,
        "--dashboard-agent-listen-port": agent,  # not the default, which the session's cluster has
        "--ray-client-server-port": free_port(),
        "--temp-dir": folder,
        "--num-cpus": 2,
        "--num-gpus": 0,
    }
    command = [f"{BIN}/ray", "start", "--head", "--block", "--include-dashboard", "true"]
    environment = outside()
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"  # where its jobs find their python
    with subprocess.Popen(
        command + [str(word) for pair in settings.items() for word in pair],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as head:
        wait_for(port)
        wait_for(agent)
        yield f"http://127.0.0.1:{port}"
        # SIGTERM would wait until workers are idle, and SIGINT is ignored below a shell's background job
        processes = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes[1:], timeout=10)
    shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int) -> None:
    end = time.monotonic() + 90
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "the dashboard did not start"
            time.sleep(0.1)


def test_a_submitted_job_rebuilds_a_corpus(dashboard, web, depth_model, tmp_path):
    world = build_world(tmp_path / "metadata", web.base_url, scenes=12, seed=4, faults=False)
    web.pages.update(world.pages)
    submit = (
        f"{BIN}/ray job submit --address {dashboard} --working-dir . -- python -m jobs.rebuild_corpus --preset toy"
    )
    settings = {
        "--input": tmp_path / "metadata",
        "--output": tmp_path / "corpus",
        "--label.depth-model": depth_model,
        "--download.allow-addresses": "127.0.0.1",
    }
    command = submit.split() + [str(word) for pair in settings.items() for word in pair]
    done = subprocess.run(command, cwd=ROOT, env=outside(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "corpus/_SUCCESS.json").read_text())["rows_kept"] == len(world.rows)
    assert {row["url"] for row in rows_of(tmp_path / "corpus")["rgbd"]} == set(world.expected)
    following = (
        f"ray job submit --working-dir . -- python -m jobs.train_autoencoder --input {tmp_path}/corpus --output"
    )
    assert following in done.stdout + done.stderr


def test_a_relative_output_of_a_submitted_job_is_refused(dashboard, tmp_path):
    """It would be written to Ray's copy of the checkout, and the job would have succeeded."""
    submit = f"{BIN}/ray job submit --address {dashboard} --working-dir . -- python -m jobs.rebuild_corpus"
    command = [*submit.split(), "--preset", "toy", "--input", str(tmp_path), "--output", "runs/corpus"]
    done = subprocess.run(command, cwd=ROOT, env=outside(), capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    assert "error: --output 'runs/corpus' would be written to" in done.stdout + done.stderr
