"""The commands of cluster/README.md and of RayJobs: our jobs take them, and the clusters have room for them."""

import math
import shutil
import subprocess
from typing import Any

import pytest

from ldm3d.config import (
    AutoencoderConfig,
    CorpusConfig,
    DepthFusionConfig,
    DiffusionConfig,
    EvaluateConfig,
    GenerateConfig,
    GeneratorConfig,
    LatentsConfig,
)
from tests import ROOT
from tests.builders.cluster_files import AWS, CLUSTER, KUBERAY, RAY_JOBS, groups_of
from tests.builders.commands import config_of
from tests.builders.pages import commands_of, in_one_line

Nodes = list[tuple[float, float]]


def kuberay_nodes(manifest: dict[str, Any]) -> Nodes:
    """CPUs and GPUs of each node, as KubeRay tells Ray."""
    nodes = []
    for group in groups_of(manifest):
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        cpus = group["rayStartParams"].get("num-cpus", limits["cpu"])
        nodes += [(float(cpus), float(limits.get("nvidia.com/gpu", 0)))] * group.get("replicas", 1)
    return nodes


def aws_nodes() -> Nodes:
    return [
        (float(group["resources"]["CPU"]), float(group["resources"].get("GPU", 0)))
        for group in AWS["available_node_types"].values()
        for _ in range(group.get("min_workers", 1))
    ]


def readme_commands() -> list[str]:
    """Every `python -m jobs...` of cluster/README.md's code blocks."""
    commands = map(in_one_line, commands_of(CLUSTER / "README.md"))
    return [command for command in commands if command.startswith("python -m jobs.")]


def check_room(config: Any, nodes: Nodes) -> None:
    """The plan that the stage itself would make fits on these nodes, and leaves no GPU idle.

    Raises:
        ValueError: it is refused.
    """
    from pipelines.corpus.resources import fit
    from pipelines.training.worker import worker_count
    from pipelines.views.plan import fit_renderers
    from pipelines.workers.resources import fit_actors

    cpus, gpus = (sum(values) for values in zip(*nodes, strict=True))
    match config:
        case CorpusConfig():
            resources = fit(config.cluster, cpus, gpus)
            assert resources.label.actors == gpus > 0
            assert sum(node[0] // resources.download.cpus for node in nodes) >= resources.download.actors
        case LatentsConfig() | GenerateConfig() | EvaluateConfig():
            assert fit_actors("actors", config.cluster, cpus, gpus).actors == gpus > 0
        case DepthFusionConfig():
            assert fit_renderers(config, cpus, gpus).actors == cpus
        case AutoencoderConfig() | DiffusionConfig():
            workers, each = worker_count(config.workers, config.loop, cpus, gpus), config.workers
            assert workers == gpus > 0
            assert sum(math.floor(min(node[0] / each.cpus, node[1] / each.gpus)) for node in nodes) >= workers


def inputs_of(config: Any) -> list[str]:
    if isinstance(config, EvaluateConfig):
        return [*config.input, str(config.reference)]
    return [config.input]


RUNS = [
    *((manifest["spec"]["entrypoint"], kuberay_nodes(manifest)) for manifest in RAY_JOBS.values()),
    *(
        (command, nodes)
        for command in readme_commands()
        for nodes in (kuberay_nodes(KUBERAY["raycluster"]), aws_nodes())
    ),
]


@pytest.mark.parametrize(("command", "nodes"), RUNS)
def test_a_command_is_one_that_its_job_takes_and_the_cluster_has_room_for_it(command, nodes, monkeypatch):
    config = config_of(command, monkeypatch)
    assert all(given.startswith("s3://") for given in inputs_of(config))  # a local folder is another on each node
    assert config.output.startswith("s3://")
    check_room(config, nodes)


def test_every_stage_has_its_command_and_each_reads_what_the_one_before_wrote(monkeypatch):
    configs = [config_of(command, monkeypatch) for command in readme_commands()]
    entry_points = {file.stem for file in (ROOT / "jobs").glob("*.py")} - {"__init__", "command"}
    entry_points -= {"serve"}  # a service is deployed with a config file, that of docs/serve.md
    assert {command.split()[2].removeprefix("jobs.") for command in readme_commands()} == entry_points
    written = {config.output for config in configs}
    read = {given.partition("/rgbd/")[0] for config in configs[1:] for given in inputs_of(config)}
    assert read <= written
    models = [config.model for config in configs if isinstance(config, LatentsConfig | GenerateConfig)]
    used = [model.model if isinstance(model, GeneratorConfig) else (model.autoencoder,) for model in models]
    assert {place for places in used for place in places} <= written
    assert {config_of(job["spec"]["entrypoint"], monkeypatch).output for job in RAY_JOBS.values()} <= written


@pytest.mark.parametrize(("was", "now"), [("ldm3d ", "ldm4d "), ("--input", "--in"), ("jobs.", "jobs.no_")])
def test_a_command_that_no_job_takes_is_seen(was, now, monkeypatch):
    command = RAY_JOBS["rayjob-train-diffusion"]["spec"]["entrypoint"]
    config_of(command, monkeypatch)
    with pytest.raises((SystemExit, ImportError)):
        config_of(command.replace(was, now), monkeypatch)


def test_the_first_line_puts_in_registry_and_bucket(tmp_path):
    shutil.copytree(CLUSTER, tmp_path / "cluster")
    subprocess.run(["bash", "-c", commands_of(CLUSTER / "README.md")[0]], cwd=tmp_path, check=True)
    changed = "".join(file.read_text() for file in (tmp_path / "cluster").rglob("*.*"))
    assert "registry.example.com" not in changed
    assert "example-bucket" not in changed
    assert "image: REGISTRY/ldm3d-on-ray:" in changed
    assert "--output s3://BUCKET/corpus" in changed


def test_a_cluster_that_is_too_small_is_seen(monkeypatch):
    config = config_of(RAY_JOBS["rayjob-train-diffusion"]["spec"]["entrypoint"] + " --workers.workers 8", monkeypatch)
    with pytest.raises(ValueError, match=r"do not fit: 8 x"):
        check_room(config, kuberay_nodes(RAY_JOBS["rayjob-train-diffusion"]))
