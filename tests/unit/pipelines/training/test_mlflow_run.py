"""MLflow gets what the output has, in one run, and nothing that its server does delays the training."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldm3d.config import AutoencoderConfig, WatchConfig
from pipelines.storage.folder import Folder
from pipelines.training import mlflow_run
from pipelines.training.history import History
from pipelines.training.mlflow_run import MlflowRun, check_mlflow
from tests import ROOT
from tests.tracking_server import TrackingServer

PARAMETERS = {"stage": "train_autoencoder", "loop": {"epochs": 3, "micro_batch": None}, "names": ["a", "b"]}
PNG = b"\x89PNG"


@pytest.fixture
def server(tmp_path):
    with TrackingServer(tmp_path / "server") as running:
        yield running


@pytest.fixture
def output(tmp_path) -> Folder:
    return Folder(str(tmp_path / "first"))


def begin(server: TrackingServer, output: Folder, records: list[dict] | None = None) -> MlflowRun:
    return MlflowRun(WatchConfig(mlflow=server.url), output, PARAMETERS, records or [])


def steps(*wanted: int) -> list[dict]:
    return [{"step": step, "loss/a": step / 2, "validation/psnr_db": float("nan")} for step in wanted]


def wait_until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_parameters_numbers_by_step_and_pictures_go_to_one_run(server, output):
    run = begin(server, output)
    for record in steps(1, 2):
        run.add(record)
    output.write("pictures/validation-0001.png", PNG)
    run.picture("validation-0001")
    run.picture("lost-0001")  # could not be written to the output
    run.close("FINISHED")
    (made,) = server.runs()
    assert (made.info.run_name, made.info.status) == ("first", "FINISHED")
    assert server.store.get_experiment_by_name("ldm3d").experiment_id == made.info.experiment_id
    assert made.data.params == {
        "stage": "train_autoencoder",
        "loop.epochs": "3",
        "loop.micro_batch": "None",
        "names": "['a', 'b']",
    }
    assert server.curve(made.info.run_id, "loss/a") == [(1, 0.5), (2, 1.0)]
    assert len(server.curve(made.info.run_id, "validation/psnr_db")) == 2
    assert server.artifacts() == {"pictures/validation-0001.png": PNG}


def test_a_resumed_training_continues_the_same_run(server, output):
    killed = begin(server, output)
    for record in steps(1, 2):
        killed.add(record)

    def is_noted() -> bool:
        killed.save()
        return json.loads(output.read("mlflow.json"))["sent"] == 2

    wait_until(is_noted)  # with the checkpoint of step 2
    killed.add(steps(3)[0])
    killed.abandon()

    resumed = begin(server, output, steps(1, 2))
    for record in steps(3, 4):
        resumed.add(record)
    resumed.close("KILLED")
    (made,) = server.runs()
    assert made.info.status == "KILLED"
    assert server.curve(made.info.run_id, "loss/a") == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]


def test_a_training_that_was_taken_over_sends_and_writes_nothing_more(server, output, caplog):
    server.status = 500
    old = begin(server, output, steps(1))
    wait_until(lambda: "MLflow was not reached" in caplog.text)
    old.abandon()
    server.status = 200
    old.save()
    old.add(steps(2)[0])
    old._thread.join(30)
    assert not old._thread.is_alive()
    assert not server.runs()
    assert not output.sizes()


def test_a_training_that_was_not_watched_before_sends_what_it_has(server, output):
    begin(server, output, steps(*range(1, 1_501))).close("FINISHED")
    (made,) = server.runs()
    assert server.curve(made.info.run_id, "loss/a") == [(step, step / 2) for step in range(1, 1_501)]
    assert server.requests.count("log-batch") == 1 + 4  # parameters; at most 1,000 numbers each


def test_a_run_that_is_gone_is_replaced(server, output):
    begin(server, output, steps(1)).close("KILLED")
    (first,) = server.runs()
    server.store.delete_run(first.info.run_id)
    begin(server, output, steps(1)).close("FINISHED")
    (second,) = [run for run in server.runs() if run.info.lifecycle_stage == "active"]
    assert server.curve(second.info.run_id, "loss/a") == [(1, 0.5)]
    output.write("mlflow.json", json.dumps({"run_id": "f" * 32, "sent": 1, "pictures": []}).encode())
    begin(server, output, steps(1)).close("FINISHED")  # of another server
    assert len(server.runs()) == 3


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return there.getsockname()[1]


def test_what_a_server_that_is_down_misses_is_sent_when_it_is_back(tmp_path, output, caplog, monkeypatch):
    monkeypatch.setattr(mlflow_run, "INTERVAL_S", 0.05)
    port = free_port()
    began = time.monotonic()
    run = MlflowRun(WatchConfig(mlflow=f"http://127.0.0.1:{port}"), output, PARAMETERS, [])
    run.add(steps(1)[0])
    output.write("pictures/a-0001.png", PNG)
    run.picture("a-0001")
    assert time.monotonic() - began < 0.5
    wait_until(lambda: caplog.records)
    run.save()
    assert json.loads(output.read("mlflow.json")) == {"run_id": None, "sent": 0, "pictures": ["a-0001"]}
    with TrackingServer(tmp_path / "server", port) as server:
        wait_until(server.artifacts)
        server.status = 500
        run.add(steps(2)[0])
        wait_until(lambda: len(caplog.records) == 2)
        server.status = 200
        run.close("FINISHED")
        (made,) = server.runs()
        assert server.curve(made.info.run_id, "loss/a") == [(1, 0.5), (2, 1.0)]
    assert len([record for record in caplog.records if "MLflow was not reached" in record.message]) == 2


def test_a_server_that_never_answers_costs_little(server, output, caplog, monkeypatch):
    monkeypatch.setattr(mlflow_run, "CLOSING_S", 0.2)
    server.delay_s = 1.0
    began = time.monotonic()
    run = begin(server, output)
    run.add(steps(1)[0])
    run.save()
    run.close("FINISHED")
    assert time.monotonic() - began < 0.8
    assert "not sent to MLflow, but in the output: 1 " in caplog.text


def test_a_password_comes_from_the_environment_and_is_written_nowhere(server, output, caplog, monkeypatch):
    server.login = ("me", "secret-word")
    begin(server, output).close("KILLED")
    assert "401" in caplog.text
    assert not server.runs()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret-word")
    begin(server, output, steps(1)).close("FINISHED")
    assert len(server.runs()) == 1
    written = [file.read_bytes() for file in Path(output.url).rglob("*") if file.is_file()]
    assert "secret-word" not in caplog.text + str(written) + str(server.runs())


@pytest.mark.parametrize(
    "url",
    ["https://me:secret@host", "https://host/?token=secret", "host:5000", "http://", "/folder", "http://host:port"],
)
def test_what_is_no_server_or_holds_a_password_is_refused_without_being_repeated(url):
    with pytest.raises(ValueError, match=r"watch\.mlflow") as refused:
        WatchConfig(mlflow=url)
    assert "secret" not in str(refused.value)


def test_a_library_that_is_not_installed_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(mlflow_run, "find_spec", lambda name: None)
    check_mlflow(WatchConfig())
    with pytest.raises(ValueError, match="pip install mlflow-skinny"):
        check_mlflow(WatchConfig(mlflow="https://host/prefix"))


def test_being_watched_does_not_change_what_a_training_is():
    alone = AutoencoderConfig(input="in", output="out")
    watched = AutoencoderConfig(input="in", output="out", watch=WatchConfig(mlflow="http://[::1]:5000"))
    assert alone.identity() == watched.identity()


def test_a_history_sends_what_it_writes(server, output):
    history = History(output, steps(1), begin(server, output, steps(1)))
    history.add(2, {"loss/a": 1.0})
    history.save()
    history.close("FAILED")
    (made,) = server.runs()
    assert made.info.status == "FAILED"
    assert server.curve(made.info.run_id, "loss/a") == [(1, 0.5), (2, 1.0)]


ALONE = """
import os, socket, sys

def allowed(address):
    assert address[0] == "127.0.0.1", address

resolve, connect = socket.getaddrinfo, socket.socket.connect
socket.getaddrinfo = lambda host, *rest, **more: (allowed((host,)), resolve(host, *rest, **more))[1]
socket.socket.connect = lambda self, address: (allowed(address), connect(self, address))[1]

from ldm3d.config import WatchConfig
from pipelines.training.mlflow_run import MlflowRun
from pipelines.storage.folder import Folder

run = MlflowRun(WatchConfig(mlflow=sys.argv[1]), Folder(sys.argv[2]), {}, [{"step": 1, "loss": 0.5}])
run.close("FINISHED")
from mlflow.telemetry import get_telemetry_client
from mlflow.telemetry.utils import is_telemetry_disabled
print(is_telemetry_disabled(), get_telemetry_client())
"""


def test_nothing_is_told_to_the_makers_of_mlflow(server, output):
    """In a process that MLflow takes for no test, where it would tell them."""
    taken_for_test = ("CI", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if name not in taken_for_test}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", ALONE, server.url, output.url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "None"], done.stderr
    assert len(server.runs()) == 1
