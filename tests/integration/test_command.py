"""A failure in a task ends in one line about what failed, not about how Ray hands failures over."""

import os
import time

import pytest
import ray

from jobs.command import run
from ldm3d.config import CorpusConfig
from pipelines.workers.calls import try_on_worker
from pipelines.workers.resources import Pool
from pipelines.workers.session import configure_data


def ended(stage, monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out"])
    with pytest.raises(SystemExit) as stopped:
        run(stage, CorpusConfig, None)
    return stopped.value.code, capsys.readouterr().err


def failing():
    """A function that fails as storage does; an inner one, so that workers need not find this module."""

    def fail(*_):
        try:
            raise KeyError("what the store's client raised")
        except KeyError as cause:
            error = PermissionError(13, "Access Denied")
            error.add_note("s3://corpora/rgbd/train/00042.parquet")
            raise error from cause

    return fail


FAILURE = "PermissionError: [Errno 13] Access Denied; s3://corpora/rgbd/train/00042.parquet"


def test_storage_that_fails_in_a_function_of_ray_data(monkeypatch, capsys):
    def stage(config, *, dry_run):
        configure_data(config.cluster)
        ray.data.range(1).map_batches(failing()).take_all()

    code, text = ended(stage, monkeypatch, capsys)
    assert code == 1
    assert text.splitlines()[-1] == f"error: a task failed: {FAILURE}"
    assert "in fail" in text  # the trace in the worker comes before


def test_storage_that_fails_in_a_task(monkeypatch, capsys):
    def stage(config, *, dry_run):
        ray.get(ray.remote(failing()).remote())

    code, text = ended(stage, monkeypatch, capsys)
    assert code == 1
    assert text.splitlines()[-1] == f"error: a task failed: {FAILURE}"


def test_a_value_error_in_a_task_is_a_failure_and_no_refusal(monkeypatch, capsys):
    def stage(config, *, dry_run):
        ray.get(ray.remote(lambda: int("x")).remote())

    code, text = ended(stage, monkeypatch, capsys)
    assert code == 1
    assert text.splitlines()[-1] == "error: a task failed: ValueError: invalid literal for int() with base 10: 'x'"


def test_a_trial_whose_worker_dies_is_a_refusal_with_advice(monkeypatch, capsys):
    """As where memory runs out, or a library crashes: there is no error of the function's own."""

    def die() -> dict[str, object]:
        os._exit(1)

    def stage(config, *, dry_run):
        try_on_worker(die, pool=Pool("label", 1.0, actors=1), patience_s=60, name="the depth model")

    code, text = ended(stage, monkeypatch, capsys)
    assert code == 2
    assert "the depth model failed: the worker that tried it died (WorkerCrashedError: " in text.splitlines()[-1]
    assert "free memory on its machine, or choose a smaller network" in text.splitlines()[-1]


def test_a_run_that_stands_still_names_the_operator_and_the_setting(monkeypatch, capsys):
    def stage(config, *, dry_run):
        configure_data(config.cluster)
        ray.data.DataContext.get_current().execution_no_progress_timeout_s = 0.5
        ray.data.range(1).map_batches(lambda _: time.sleep(30)).take_all()

    code, text = ended(stage, monkeypatch, capsys)
    assert code == 1
    assert "MapBatches" in text
    assert "--cluster.no-progress-timeout-s" in text.splitlines()[-1]
