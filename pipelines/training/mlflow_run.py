"""A training in MLflow, beside its output: parameters, numbers by step and pictures, all in one MLflow run.

Training never waits for the tracking server: a thread sends what has gathered, and keeps for later what the server
does not take. The output notes its MLflow run and how much was sent, so that a resumed training continues in it.
"""

import json
import logging
import os
import tempfile
import threading
import time
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ldm3d.config import WatchConfig, flat
from pipelines.storage.folder import Folder

logger = logging.getLogger(__name__)

FILE = "mlflow.json"
PICTURES = "pictures"
INTERVAL_S = 5.0  # between requests, which take CPU time from steps
LONGEST_PAUSE_S = 60.0  # between attempts while the server is not reached
CLOSING_S = 15.0  # the longest wait at the end of a training: one request, and a little
MOST_METRICS, MOST_PARAMETERS, MOST_CHARACTERS = 1_000, 100, 500  # limits of all servers, a request and a parameter
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # its default is 120 s
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # by default they take minutes, also at the end of a training
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

Ending = Literal["FINISHED", "KILLED", "FAILED"]
"""How a training ended, in MLflow's words. KILLED: somebody asked it to stop."""


def check_mlflow(config: WatchConfig) -> None:
    """Check that MLflow is installed, if it is asked for.

    Raises:
        ValueError: it is not.
    """
    if config.mlflow and find_spec("mlflow") is None:
        raise ValueError("--watch.mlflow needs a library, here and on the workers: pip install mlflow-skinny")


class MlflowRun:
    """The MLflow run of one training. Its methods return at once, except `close`, which takes 15 s at most.

    Args:
        config: where the tracking server is.
        output: of the training.
        parameters: the training's settings, as JSON values. An MLflow run keeps those that it began with.
        records: of the training so far, each a step and numbers by name. Those that MLflow lacks are sent.
    """

    def __init__(
        self, config: WatchConfig, output: Folder, parameters: dict[str, Any], records: list[dict[str, Any]]
    ) -> None:
        self.config, self.output, self.parameters = config, output, parameters
        noted = _noted(output)
        self._run_id: str | None = noted.get("run_id")
        self._sent = min(noted.get("sent", 0), len(records))
        self._pictures: list[str] = noted.get("pictures", [])
        now = _now_ms()
        self._records = [(now, record) for record in records]
        self._client: Any = None  # set once the server has answered
        self._ending: Ending | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def add(self, record: dict[str, Any]) -> None:
        """Queue the numbers of a step."""
        self._records.append((_now_ms(), record))

    def picture(self, name: str) -> None:
        """Queue a picture of the output."""
        self._pictures.append(name)

    def save(self) -> None:
        """Note in the output what was sent. A failure is only logged."""
        if self._is_abandoned():
            return
        about = {"run_id": self._run_id, "sent": self._sent, "pictures": list(self._pictures)}
        try:
            self.output.write(FILE, json.dumps(about).encode())
        except OSError as error:
            logger.warning("%s could not be written: %s", FILE, error)

    def close(self, ending: Ending) -> None:
        """Send the rest, and how the training ended."""
        self._ending = ending
        self._closing.set()
        self._thread.join(CLOSING_S)
        if unsent := len(self._records) - self._sent + len(self._pictures):
            logger.warning("not sent to MLflow, but in the output: %d of the records and pictures", unsent)
        self.save()

    def abandon(self) -> None:
        """Send and write nothing more: the output belongs to another run."""
        self._closing.set()

    def _is_abandoned(self) -> bool:
        return self._closing.is_set() and self._ending is None

    def _work(self) -> None:
        pause, fails = 0.0, False
        while True:
            is_last = self._closing.wait(pause)
            if self._is_abandoned():
                return
            try:
                self._send()
                if is_last:
                    self._client.set_terminated(self._run_id, self._ending)
                pause, fails = INTERVAL_S, False
            except Exception as error:  # whatever a server answers or a library raises, training continues
                if not fails:
                    about = " ".join(f"{type(error).__name__}: {error}".split())[:500]
                    logger.warning(
                        "MLflow was not reached; training continues, and numbers are kept to be sent later: %s", about
                    )
                pause, fails = min(max(2 * pause, INTERVAL_S), LONGEST_PAUSE_S), True
            if is_last:
                return

    def _send(self) -> None:
        if self._client is None:
            self._begin()
        self._send_numbers()
        while self._pictures:
            self._send_picture(self._pictures[0])
            del self._pictures[0]

    def _begin(self) -> None:
        """Continue the MLflow run that the output notes, or create one."""
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before the import, which would send telemetry
        os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=self.config.mlflow)
        run = _existing(client, self._run_id)
        if run is None:
            run, self._sent = self._new(client), 0
            self._run_id = run.info.run_id
            self.save()
        run_id: str = run.info.run_id
        client.update_run(run_id, status="RUNNING")
        missing = [
            Param(key, str(value)[:MOST_CHARACTERS])
            for key, value in flat(self.parameters).items()
            if key not in run.data.params
        ]
        for start in range(0, len(missing), MOST_PARAMETERS):
            client.log_batch(run_id, params=missing[start : start + MOST_PARAMETERS])
        logger.info("logging to MLflow run %s of experiment %s", run_id, self.config.experiment)
        self._client = client

    def _new(self, client: Any) -> Any:
        name = self.config.experiment
        found = client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else client.create_experiment(name)
        return client.create_run(experiment, run_name=self.output.url.rsplit("/", 1)[-1])

    def _send_numbers(self) -> None:
        """Send all numbers that have gathered, many in a request."""
        from mlflow.entities import Metric

        while self._sent < len(self._records):
            metrics: list[Metric] = []
            taken = 0
            for at, record in islice(self._records, self._sent, None):
                if metrics and len(metrics) + len(record) > MOST_METRICS:
                    break
                step = record["step"]
                metrics += [Metric(name, value, at, step) for name, value in record.items() if name != "step"]
                taken += 1
            self._client.log_batch(self._run_id, metrics=metrics)
            self._sent += taken

    def _send_picture(self, name: str) -> None:
        try:
            png = self.output.read(f"{PICTURES}/{name}.png")
        except FileNotFoundError:  # it could not be written to the output
            return
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch, f"{name}.png")
            file.write_bytes(png)
            self._client.log_artifact(self._run_id, str(file), PICTURES)


def _noted(output: Folder) -> dict[str, Any]:
    """Read what `save` wrote last."""
    try:
        return dict(json.loads(output.read(FILE)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("%s could not be read, so MLflow gets a new run: %s", FILE, error)
        return {}


def _existing(client: Any, run_id: str | None) -> Any:
    """Return a run of the server. None if it has none of that id, or somebody has deleted it."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def _now_ms() -> int:
    return int(time.time() * 1_000)
