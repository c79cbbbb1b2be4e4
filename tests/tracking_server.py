"""An MLflow tracking server on the loopback interface: MLflow's own store of files behind as much of its REST API as a
training speaks. The real server is in a distribution whose dependencies do not go with ours."""

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

from werkzeug.serving import WSGIRequestHandler, make_server

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


class TrackingServer:
    """Serves between `__enter__` and `__exit__`.

    Attributes:
        status: what every request is answered with, as long as it is not 200.
        delay_s: before every answer.
        login: user name and password that are wanted, if any.
        requests: the last part of the path of every request so far.
        store: MLflow's, to look into.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        from mlflow.store.tracking.file_store import FileStore

        self.status, self.delay_s = 200, 0.0
        self.login: tuple[str, str] | None = None
        self.requests: list[str] = []
        self.folder = folder
        self.store = FileStore(str(folder / "store"), "mlflow-artifacts:/")
        self._server = make_server("127.0.0.1", port, self._serve, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def runs(self) -> list[Any]:
        """All runs of all experiments, the newest first."""
        from mlflow.entities import ViewType

        experiments = [each.experiment_id for each in self.store.search_experiments()]
        return list(self.store.search_runs(experiments, "", ViewType.ALL))

    def curve(self, run_id: str, name: str) -> list[tuple[int, float]]:
        """Steps and values of a number, in the order in which they came."""
        return [(metric.step, metric.value) for metric in self.store.get_metric_history(run_id, name)]

    def artifacts(self) -> dict[str, bytes]:
        """By path without experiment, run and `artifacts/`."""
        root = self.folder / "artifacts"
        return {"/".join(file.relative_to(root).parts[3:]): file.read_bytes() for file in root.rglob("*.*")}

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        from mlflow.exceptions import MlflowException

        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.requests.append(path.rsplit("/", 1)[-1])
        time.sleep(self.delay_s)
        status, answer = self.status, ""
        if self.login and environ.get("HTTP_AUTHORIZATION") != _basic(*self.login):
            status = 401
        if status == 200:
            try:
                answer = self._answer(path, environ["QUERY_STRING"], body)
            except MlflowException as error:
                status, answer = error.get_http_status_code(), error.serialize_as_json()
        start_response(f"{status} ", [("Content-Type", "application/json")])
        return [answer.encode()]

    def _answer(self, path: str, query: str, body: bytes) -> str:
        if path.startswith(ARTIFACTS):
            file = self.folder / "artifacts" / path.removeprefix(ARTIFACTS)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
            return "{}"
        asked = json.loads(body) if body else dict(parse_qsl(query))
        return self._calls()["/".join(path.split("/")[-2:])](asked)

    def _calls(self) -> dict[str, Callable[[dict[str, Any]], str]]:
        from mlflow.entities import Metric, Param, RunStatus
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
        from mlflow.protos.service_pb2 import CreateExperiment, CreateRun, GetExperimentByName, GetRun, UpdateRun
        from mlflow.utils.proto_json_utils import message_to_json

        def experiment(asked: dict[str, Any]) -> str:
            found = self.store.get_experiment_by_name(asked["experiment_name"])
            if found is None:
                raise MlflowException("no such experiment", RESOURCE_DOES_NOT_EXIST)
            return message_to_json(GetExperimentByName.Response(experiment=found.to_proto()))

        def new_experiment(asked: dict[str, Any]) -> str:
            name = self.store.create_experiment(asked["name"])
            return message_to_json(CreateExperiment.Response(experiment_id=name))

        def new_run(asked: dict[str, Any]) -> str:
            begun, name = int(asked["start_time"]), asked["run_name"]
            run = self.store.create_run(asked["experiment_id"], "", begun, [], name)
            return message_to_json(CreateRun.Response(run=run.to_proto()))

        def run(asked: dict[str, Any]) -> str:
            return message_to_json(GetRun.Response(run=self.store.get_run(asked["run_id"]).to_proto()))

        def update(asked: dict[str, Any]) -> str:
            status, end = RunStatus.from_string(asked["status"]), asked.get("end_time")
            info = self.store.update_run_info(asked["run_id"], status, end and int(end), None)
            return message_to_json(UpdateRun.Response(run_info=info.to_proto()))

        def batch(asked: dict[str, Any]) -> str:
            metrics = [
                Metric(each["key"], float(each["value"]), int(each["timestamp"]), int(each["step"]))
                for each in asked.get("metrics", [])
            ]
            params = [Param(each["key"], each["value"]) for each in asked.get("params", [])]
            self.store.log_batch(asked["run_id"], metrics, params, [])
            return "{}"

        return {
            "experiments/get-by-name": experiment,
            "experiments/create": new_experiment,
            "runs/create": new_run,
            "runs/get": run,
            "runs/update": update,
            "runs/log-batch": batch,
        }


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass
