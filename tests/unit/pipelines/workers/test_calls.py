"""Without a cluster, which a dry run does without, networks are tried in the process itself."""

import subprocess
import sys

import pytest
import ray

from pipelines.workers.calls import shared, try_on_worker
from pipelines.workers.resources import Pool, cluster_size
from tests import ROOT

POOL = Pool("label", 1.0)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)


def test_a_trial_gives_what_the_function_returns():
    assert try_on_worker(lambda size: {"size": size}, shared(7), pool=POOL, patience_s=1, name="it") == {"size": 7}


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("--label.dtype"), "^--label.dtype$"), (OSError("gone"), "^the model failed: gone$")],
)
def test_a_failed_trial_is_refused_as_on_a_worker(error, said):
    def fail():
        raise error

    with pytest.raises(ValueError, match=said):
        try_on_worker(fail, pool=POOL, patience_s=1, name="the model")


def test_the_size_of_this_machine_is_what_a_cluster_started_here_would_have():
    started = """
import ray
ray.init(address="local", include_dashboard=False, logging_level=40, log_to_driver=False)
print(ray.cluster_resources().get("CPU", 0.0), ray.cluster_resources().get("GPU", 0.0))
"""
    done = subprocess.run([sys.executable, "-c", started], cwd=ROOT, capture_output=True, text=True, check=True)
    assert cluster_size() == tuple(map(float, done.stdout.split()))
