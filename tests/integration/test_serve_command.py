"""The service as a command and as a config file: it answers what it has taken before it ends."""

import os
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from pipelines.serve import build
from tests import ROOT
from tests.builders.service import tiny_model, until


def test_a_job_of_the_command_line_answers_what_it_has_taken_before_it_ends(cluster, tmp_path):
    model = tiny_model(tmp_path)
    command = [sys.executable, "-m", "jobs.serve", "--model.model", f"mine={model}", "--port", "0", "--preset", "toy"]
    log = tmp_path / "log"
    with log.open("w") as written:
        job = subprocess.Popen(command, cwd=ROOT, stderr=written, env=os.environ | {"RAY_ADDRESS": cluster})
    try:
        until(lambda: "Ctrl-C ends it" in log.read_text() or job.poll() is not None, 120)
        address = next(line.split()[-1] for line in log.read_text().splitlines() if "the page: " in line).rstrip("/")
        answers: list[httpx.Response] = []
        body = {"prompt": "a", "steps": 60, "seed": 3}
        thread = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{address}/v1/rgbd", json=body, timeout=60))
        )
        thread.start()
        time.sleep(1)
        job.send_signal(signal.SIGTERM)
        thread.join()
        assert answers[0].status_code == 200, answers[0].text
        assert (answers[0].json()["seed"], answers[0].json()["model"]) == (3, "mine")
        assert job.wait(60) == 0
        assert "Served for " in log.read_text()
    finally:
        job.kill()


def test_the_config_file_of_the_docs_builds_the_service(cluster):
    page = (ROOT / "docs/serve.md").read_text()
    (application,) = ServeDeploySchema.model_validate(
        yaml.safe_load(page.partition("```yaml")[2].partition("```")[0])
    ).applications
    assert application.import_path == f"{build.__module__}:{build.__name__}"
    built = build(application.args)
    assert built._bound_deployment.name == "door"
    with pytest.raises(ValueError, match="did you mean limits"):
        build(application.args | {"limit": {}})
