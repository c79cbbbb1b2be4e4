"""The graph fits the cluster, with a share of a CPU left for tasks, or is refused with the numbers."""

import os

import pytest

from ldm3d.config import ActorsConfig, ClusterConfig
from pipelines.corpus.resources import fit
from pipelines.workers.resources import Pool, fit_actors, hide_other_gpus


def held(pool: Pool) -> float:
    return pool.cpus * (pool.actors or 0)


@pytest.mark.parametrize("cpus", [1.5, 2, 3, 4, 7, 16, 64, 500])
@pytest.mark.parametrize("gpus", [0, 1, 8])
def test_actors_never_hold_every_cpu(cpus, gpus):
    resources = fit(ClusterConfig(), cpus, gpus)
    assert held(resources.download) + held(resources.label) + resources.write.cpus <= cpus
    assert resources.write.cpus > 0
    assert resources.download.actors >= 1
    assert resources.label.gpus * resources.label.actors <= gpus


def test_gpu_actors_hold_no_cpu_and_there_is_one_for_each_gpu():
    label = fit(ClusterConfig(), 16, 8).label
    assert (label.cpus, label.gpus, label.actors) == (0, 1, 8)


def test_labelling_moves_to_the_cpu_where_there_is_no_gpu():
    label = fit(ClusterConfig(label_cpus=2), 16, 0).label
    assert (label.cpus, label.gpus, label.actors) == (2, 0, 1)


@pytest.mark.parametrize(
    ("config", "cpus", "gpus"),
    [
        (ClusterConfig(), 1, 0),
        (ClusterConfig(download_actors=16), 16, 1),
        (ClusterConfig(label_cpus=4), 4, 0),
        (ClusterConfig(label_actors=3), 16, 2),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_lower(config, cpus, gpus):
    with pytest.raises(ValueError, match=r"does not fit.*--cluster\.label"):
        fit(config, cpus, gpus)


@pytest.mark.parametrize(("reserved", "seen"), [([], ""), ([1], "1")])
def test_a_worker_sees_the_gpus_that_it_reserved_and_no_others(monkeypatch, reserved, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.get_gpu_ids", lambda: reserved)
    hide_other_gpus()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen


def test_a_stage_of_actors_takes_the_gpus_or_a_cpu_and_no_more_than_there_are():
    assert fit_actors("encode", ActorsConfig(), 16, 8).actors == 8
    assert held(fit_actors("encode", ActorsConfig(), 16, 8)) == 0
    assert held(fit_actors("encode", ActorsConfig(), 16, 0)) == 1
    assert held(fit_actors("encode", ActorsConfig(gpus=0, actors=4, cpus=4), 16, 8)) == 16
    with pytest.raises(ValueError, match=r"5 x \(4 CPU\), but the cluster has 16 CPU\. Lower --cluster.actors"):
        fit_actors("encode", ActorsConfig(gpus=0, actors=5, cpus=4), 16, 8)
    with pytest.raises(ValueError, match=r"the cluster has 8 GPU\. Lower --cluster.actors or --cluster.gpus"):
        fit_actors("encode", ActorsConfig(actors=9), 16, 8)
