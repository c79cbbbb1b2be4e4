"""What the quickstart says to type on a cluster that runs: Ray's dashboard takes the job, workers get the checkout.

bash gets the commands as they stand there. Three things are not the reader's: the cluster has ports of its own, the
depth model is a small one in place of the hub's, and s3:// is the service of the tests.
"""

import contextlib
import io
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
import pyarrow as pa
import pytest
from PIL import Image

from ldm3d.toy.scenes import Scene, render
from pipelines.storage.folder import Folder
from tests import ROOT
from tests.builders.pages import blocks_of, words_of

BIN = Path(sys.executable).parent
GET_TOKEN, START, EXPORT, DRY_RUN, SUBMIT, LOGS, STOP = blocks_of(ROOT / "docs/quickstart.md")[4]
USUAL = "http://127.0.0.1:8265"
PICTURES = 6
BUCKET = "s3://bucket"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def outside() -> dict[str, str]:
    """The environment of a shell in which ours was entered, and that knows nothing of the session's cluster."""
    ours = ("PYTHONPATH", "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE")
    found = {name: value for name, value in os.environ.items() if name not in ours}
    return found | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def shell(dashboard: str, command: str) -> "subprocess.Popen[str]":
    """A shell in the checkout that was told of the cluster as the quickstart says, and a command in it."""
    typed = f"{EXPORT.replace(USUAL, dashboard)}\n{command}"
    together = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(["bash", "-c", typed], cwd=ROOT, env=outside(), **together)


def said(dashboard: str, command: str) -> tuple[int, str]:
    """How a command ends, and all that it says."""
    with shell(dashboard, command) as typed:
        text = typed.communicate(timeout=300)[0]
    return typed.returncode, text


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """The address of the dashboard of a cluster of its own, whose processes know nothing of this one's import path."""
    folder = tempfile.mkdtemp(prefix="ray-")  # pytest's names are too long for Ray's sockets
    port, agent = free_port(), free_port()
    settings = {
        "--node-ip-address": "127.0.0.1",
        "--port": free_port(),
        "--dashboard-port": port,
        "--dashboard-agent-listen-port": agent,  # not the default, which the session's cluster has
        "--ray-client-server-port": free_port(),
        "--temp-dir": folder,
        "--num-cpus": 2,
        "--num-gpus": 0,
    }
    subprocess.run(["bash", "-c", GET_TOKEN], env=outside(), check=True)
    command = [f"{BIN}/ray", *words_of(START)[1:], "--block", "--include-dashboard", "true"]
    with subprocess.Popen(
        command + [str(word) for pair in settings.items() for word in pair],
        cwd=folder,
        env=outside(),  # where its jobs find their python, too
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


@pytest.fixture(scope="module")
def table(s3) -> None:
    """A table in the bucket, of pictures that lie beside it."""
    bucket, rows = Folder(BUCKET), []
    bucket.fs.mkdir("bucket")
    for seed in range(PICTURES):
        scene, file = Scene.from_seed(seed), io.BytesIO()
        Image.fromarray(render(scene, 64).image).resize((512, 512)).save(file, "png")
        bucket.write(f"pictures/{seed}.png", file.getvalue())
        rows.append({"url": f"pictures/{seed}.png", "caption": scene.caption})
    bucket.write_tables("table.parquet", [pa.Table.from_pylist(rows)])


def test_a_job_is_submitted_watched_and_stopped_and_resumes(dashboard, table, depth_model):
    small = f" --label.depth-model {depth_model}"
    code, text = said(dashboard, DRY_RUN + small)
    assert code == 0, text
    assert "Nothing was written" in text
    assert not Folder(f"{BUCKET}/corpus").exists()
    code, text = said(dashboard, SUBMIT + small)
    assert code == 0, text
    # Looked at again and again: a stream of Ray's that is followed may stand still, and end without the last lines.
    end = time.monotonic() + 200
    while "shards left" not in (text := said(dashboard, LOGS.replace(" --follow", ""))[1]):
        assert time.monotonic() < end, text
    code, text = said(dashboard, STOP)
    assert code == 0, text
    text = said(dashboard, LOGS)[1]
    assert "terminated: the same command resumes from here" in text
    again = SUBMIT.replace("corpus-1", "corpus-2").replace(" --no-wait", "")
    code, text = said(dashboard, again + small)
    assert code == 0, text
    assert Folder(f"{BUCKET}/corpus").read_json("_SUCCESS.json")["rows_kept"] == PICTURES
    assert f"ray job submit --working-dir . -- python -m jobs.train_autoencoder --input {BUCKET}/corpus" in text


def test_a_relative_output_of_a_submitted_job_is_refused(dashboard, tmp_path):
    """It would be written to Ray's copy of the checkout, and the job would have succeeded."""
    submit = "ray job submit --working-dir . -- python -m jobs.rebuild_corpus --preset toy --output runs/corpus"
    code, text = said(dashboard, f"{submit} --input {tmp_path}")
    assert code != 0
    assert "error: --output 'runs/corpus' would be written to" in text
