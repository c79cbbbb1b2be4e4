"""A training in MLflow, beside its output: parameters, numbers by step, pictures, all in one MLflow run.

Training never waits for the tracking server: a thread sends what has gathered. What the server does not take is kept
and sent later. The output notes its MLflow run and how much went there, so that a resumed training goes on in it.
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
INTERVAL_S = 5.0  # between requests: they are made on the CPU that steps need
LONGEST_PAUSE_S = 60.0  # between tries while the server takes nothing
CLOSING_S = 15.0  # what a server may cost at the end of a training: one request, and a little
MOST_METRICS, MOST_PARAMETERS, MOST_CHARACTERS = 1_000, 100, 500  # in a request, and in a parameter, for any server
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # its default is 120 s
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # its own take minutes, and so would the end of a training
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

Ending = Literal["FINISHED", "KILLED", "FAILED"]
"""How a training ended, in MLflow's words. KILLED: somebody asked it to stop."""


def check_mlflow(config: WatchConfig) -> None:
    """
    Raises:
        ValueError: MLflow is asked for, but not installed.
    """
    if config.mlflow and find_spec("mlflow") is None:
        raise ValueError("--watch.mlflow needs a library, here and on the workers: pip install mlflow-skinny")


class MlflowRun:
    """The MLflow run of one training. Its methods return at once, but for `close`, which takes 15 s at most.

    Args:
        config: where the tracking server is.
        output: of the training.
        parameters: what the training was begun with, as JSON values; an MLflow run has those of its beginning.
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
        self._client: Any = None  # once the server has answered
        self._ending: Ending | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def add(self, record: dict[str, Any]) -> None:
        """Send the numbers of a step, soon."""
        self._records.append((_now_ms(), record))

    def picture(self, name: str) -> None:
        """Send a picture of the output, soon."""
        self._pictures.append(name)

    def save(self) -> None:
        """Note in the output what was sent. What cannot be written is logged."""
        if self._is_abandoned():
            return
        about = {"run_id": self._run_id, "sent": self._sent, "pictures": list(self._pictures)}
        try:
            self.output.write(FILE, json.dumps(about).encode())
        except OSError as error:
            logger.warning("%s could not be written: %s", FILE, error)

    def close(self, ending: Ending) -> None:
        """Send what is left, and how it ended."""
        self._ending = ending
        self._closing.set()
        self._thread.join(CLOSING_S)
        if unsent := len(self._records) - self._sent + len(self._pictures):
            logger.warning("%d records and pictures were not sent to MLflow: they are in the output", unsent)
        self.save()

    def abandon(self) -> None:
        """Send nothing more, and write nothing: the output is another's."""
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
            except Exception as error:  # whatever a server answers or a library raises, training goes on
                if not fails:
                    about = " ".join(f"{type(error).__name__}: {error}".split())[:500]
                    logger.warning("MLflow was not reached; training goes on, and numbers are kept for it: %s", about)
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
        """Go on in the MLflow run that the output notes, or make one."""
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before the import, which else tells its makers
        os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=self.config.mlflow)
        run = _existing(client, self._run_id)
        if run is None:
            run, self._sent = self._new(client), 0
            self._run_id = run.info.run_id
            self.save()
        name: str = run.info.run_id
        client.update_run(name, status="RUNNING")
        missing = [
            Param(key, str(value)[:MOST_CHARACTERS])
            for key, value in flat(self.parameters).items()
            if key not in run.data.params
        ]
        for start in range(0, len(missing), MOST_PARAMETERS):
            client.log_batch(name, params=missing[start : start + MOST_PARAMETERS])
        logger.info("MLflow has it as run %s of the experiment %s", name, self.config.experiment)
        self._client = client

    def _new(self, client: Any) -> Any:
        name = self.config.experiment
        found = client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else client.create_experiment(name)
        return client.create_run(experiment, run_name=self.output.url.rsplit("/", 1)[-1])

    def _send_numbers(self) -> None:
        """All that are there, many in a request."""
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
        except FileNotFoundError:  # it could not be written
            return
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch, f"{name}.png")
            file.write_bytes(png)
            self._client.log_artifact(self._run_id, str(file), PICTURES)


def _noted(output: Folder) -> dict[str, Any]:
    """What `save` wrote last."""
    try:
        return dict(json.loads(output.read(FILE)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("%s could not be read, so that MLflow gets a new run: %s", FILE, error)
        return {}


def _existing(client: Any, run_id: str | None) -> Any:
    """None where there is no such run, as on another server, or somebody has removed it."""
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
