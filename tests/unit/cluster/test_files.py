"""What lies in cluster/ has the Ray and Python of the lock, names what Ray, AWS and KubeRay know, runs command lines
that our jobs take, and offers what these ask for."""

import math
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from jobs.command import parse
from ldm3d.config import (
    AutoencoderConfig,
    CorpusConfig,
    DiffusionConfig,
    EvaluateConfig,
    GenerateConfig,
    GeneratorConfig,
    LatentsConfig,
)
from tests import ROOT

CLUSTER = ROOT / "cluster"
AWS = yaml.safe_load((CLUSTER / "ray-up/aws.yaml").read_text())
KUBERAY = {file.stem: yaml.safe_load(file.read_text()) for file in sorted((CLUSTER / "kuberay").glob("*.yaml"))}
RAY_JOBS = {name: manifest for name, manifest in KUBERAY.items() if manifest["kind"] == "RayJob"}
DOCKERFILE = (CLUSTER / "image/Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = dict(line.replace("_", "-").split("==") for line in (ROOT / "constraints.txt").read_text().split())

SCHEMA = yaml.safe_load((ROOT / "tests/unit/cluster/kuberay_schema.yaml").read_text())
IMPORTS_SERVE = pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")  # as Ray's command does
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
Nodes = list[tuple[float, float]]


def cluster_of(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest["spec"] if manifest["kind"] == "RayCluster" else manifest["spec"]["rayClusterSpec"]


def groups_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The head's group first."""
    cluster = cluster_of(manifest)
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def pods_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [group["template"]["spec"] for group in groups_of(manifest)]


def containers_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [container for pod in pods_of(manifest) for container in pod["containers"]]


def bytes_of(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


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
    blocks = re.findall(r"```sh\n(.*?)```", (CLUSTER / "README.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("python -m jobs.")]


def config_of(command: str, monkeypatch) -> Any:
    """What a command line asks for, parsed as its own entry point would; nothing runs.

    Raises:
        SystemExit: the entry point does not take it.
    """
    python, m, module, *arguments = shlex.split(command)
    assert (python, m) == ("python", "-m")
    called = []
    monkeypatch.setattr("jobs.command.run", lambda stage, config_class, about: called.append(config_class))
    runpy.run_module(module, run_name="__main__")
    return parse(called[0], arguments).config


def check_room(config: Any, nodes: Nodes) -> None:
    """The plan that the stage itself would make fits on these nodes, and leaves no GPU idle.

    Raises:
        ValueError: it is refused.
    """
    from pipelines.corpus.resources import fit
    from pipelines.training.trainer import worker_count
    from pipelines.workers.resources import fit_actors

    cpus, gpus = (sum(values) for values in zip(*nodes, strict=True))
    match config:
        case CorpusConfig():
            resources = fit(config.cluster, cpus, gpus)
            assert resources.label.actors == gpus > 0
            assert sum(node[0] // resources.download.cpus for node in nodes) >= resources.download.actors
        case LatentsConfig() | GenerateConfig() | EvaluateConfig():
            assert fit_actors("actors", config.cluster, cpus, gpus).actors == gpus > 0
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


def test_a_cluster_that_is_too_small_is_seen(monkeypatch):
    config = config_of(RAY_JOBS["rayjob-train-diffusion"]["spec"]["entrypoint"] + " --workers.workers 8", monkeypatch)
    with pytest.raises(ValueError, match=r"8 workers of .* do not fit"):
        check_room(config, kuberay_nodes(RAY_JOBS["rayjob-train-diffusion"]))


def test_ray_up_takes_the_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(AWS)
    validate_config(config)
    commands = config["head_setup_commands"] + config["worker_setup_commands"]
    assert commands == []  # Ray's defaults install a Ray of another version


@pytest.mark.parametrize("group", AWS["available_node_types"])
def test_aws_knows_the_machines(group):
    """Of what is in `provider` and `node_config`, Ray checks nothing before it asks AWS."""
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    asked = AWS["available_node_types"][group]["node_config"]
    shape = get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    report = ParamValidator().validate({"MinCount": 1, "MaxCount": 1} | asked, shape)
    assert report.generate_report() == ""
    assert asked["InstanceType"] in shape.members["InstanceType"].enum
    assert AWS["provider"].keys() == {"type", "region", "cache_stopped_nodes"}
    assert AWS["provider"]["type"] == "aws"


def test_groups_have_a_fixed_size_and_heads_no_cpus():
    """A stage plans with what the cluster has when it starts."""
    head, *groups = AWS["available_node_types"].values()
    assert all(group["min_workers"] == group["max_workers"] for group in groups)
    assert AWS["max_workers"] == sum(group["max_workers"] for group in groups)
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]  # a job does not survive its head
    for manifest in KUBERAY.values():
        head, *groups = groups_of(manifest)
        assert head["rayStartParams"]["num-cpus"] == "0"
        assert all(group["minReplicas"] == group["replicas"] == group["maxReplicas"] for group in groups)


def validate(manifest: dict[str, Any]) -> None:
    """
    Raises:
        ValidationError: KubeRay does not know a name, or wants another type of value.
    """
    Draft202012Validator(SCHEMA | {"$ref": f"#/$defs/{manifest['kind']}"}).validate(manifest)


@pytest.mark.parametrize("name", KUBERAY)
def test_kuberay_takes_the_manifest(name):
    validate(KUBERAY[name])


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("ray.io/v1", "ray.io/v2"),
        ("backoffLimit: 3", "backoffLimit: three"),
        ("{mode: token}", "{mode: tokens}"),
        ("groupName", "group_name"),
        ('num-cpus: "0"', "num-cpus: 0"),
        ("medium:", "media:"),
        ("preStop", "prestop"),
    ],
)
def test_a_manifest_that_kuberay_refuses_is_seen(was, now):
    text = (CLUSTER / "kuberay/rayjob-train-diffusion.yaml").read_text()
    assert was in text
    with pytest.raises(ValidationError):
        validate(yaml.safe_load(text.replace(was, now)))


@IMPORTS_SERVE
@pytest.mark.parametrize("name", KUBERAY)
def test_ray_knows_the_parameters_that_nodes_start_with(name):
    from ray.scripts.scripts import start

    options = {option for parameter in start.params for option in parameter.opts}
    for group in groups_of(KUBERAY[name]):
        assert {f"--{name}" for name in group["rayStartParams"]} <= options


@pytest.mark.parametrize("name", KUBERAY)
def test_pods_have_shared_memory_for_the_object_store_and_access_to_the_bucket(name):
    from ray._private.ray_constants import DEFAULT_OBJECT_STORE_MEMORY_PROPORTION

    for pod in pods_of(KUBERAY[name]):
        (container,) = pod["containers"]
        (volume,) = pod["volumes"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/dev/shm"}]
        assert volume["emptyDir"]["medium"] == "Memory"
        memory = bytes_of(container["resources"]["limits"]["memory"])
        wanted = DEFAULT_OBJECT_STORE_MEMORY_PROPORTION * memory
        assert wanted <= bytes_of(volume["emptyDir"]["sizeLimit"]) < 1.2 * wanted
        assert "serviceAccountName" in pod or "secretRef" in container["envFrom"][0]


@pytest.mark.parametrize("name", RAY_JOBS)
def test_a_job_is_tried_again_and_leaves_no_cluster_behind(name):
    spec = RAY_JOBS[name]["spec"]
    assert 1 <= spec["backoffLimit"] <= 10
    assert spec["shutdownAfterJobFinishes"] is True
    assert cluster_of(RAY_JOBS[name])["authOptions"] == {"mode": "token"}
    environment = yaml.safe_load(spec["runtimeEnvYAML"])
    assert environment.keys() == {"working_dir"}  # the image has the dependencies
    assert re.fullmatch(r"s3://.+\.zip", environment["working_dir"])


@IMPORTS_SERVE
def test_a_training_pod_that_is_evicted_tells_ray():
    from ray.scripts.scripts import drain_node

    trainings = [KUBERAY["raycluster"], KUBERAY["rayjob-train-diffusion"]]
    for pod in (pods_of(manifest)[-1] for manifest in trainings):
        shell = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
        arguments = re.fullmatch(r"timeout \d+ ray drain-node (.+) && while pgrep .*", shell)
        parsed = drain_node.make_context("drain-node", shlex.split(arguments[1])).params
        assert 0 < parsed["deadline_remaining_seconds"] < pod["terminationGracePeriodSeconds"]
        assert parsed["reason"] == "DRAIN_NODE_REASON_PREEMPTION"


def test_one_image_with_the_ray_and_python_of_the_lock():
    images = {container["image"] for manifest in KUBERAY.values() for container in containers_of(manifest)}
    assert images == {AWS["docker"]["image"]}
    assert images.pop().endswith(f"/{PROJECT['project']['name']}:{PROJECT['project']['version']}")
    assert {cluster_of(manifest)["rayVersion"] for manifest in KUBERAY.values()} == {LOCK["ray"]}
    python = re.search(r"^FROM python:([\d.]+)-", DOCKERFILE, re.MULTILINE)[1]
    assert python == PROJECT["tool"]["mypy"]["python_version"]


def test_the_image_has_the_dependencies_at_the_versions_of_the_lock():
    """The line that takes them from pyproject.toml, run here."""
    code = re.search(r"RUN python -c '(.+)' \\\n    < pyproject.toml > requirements.txt", DOCKERFILE)[1]
    with (ROOT / "pyproject.toml").open("rb") as given:
        made = subprocess.run([sys.executable, "-c", code], stdin=given, capture_output=True, text=True, check=True)
    assert made.stdout.splitlines() == PROJECT["project"]["dependencies"]
    names = [re.match(r"[\w-]+", line)[0] for line in [*made.stdout.splitlines(), "boto3"]]
    assert set(names) <= LOCK.keys()
    assert "-r requirements.txt boto3 -c constraints.txt" in DOCKERFILE


def test_the_image_runs_as_somebody_and_has_what_ray_up_and_kuberay_call():
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["1000"]
    assert "ENV HOME=/home/ray\n" in DOCKERFILE  # ray up reads it there
    packages = re.search(r"recommends (.+) \\", DOCKERFILE)[1].split()
    assert {"openssh-client", "rsync", "procps", "wget"} <= set(packages)
    context = (CLUSTER / "image/Dockerfile.dockerignore").read_text().split()
    assert context == ["*", *sorted(f"!{name}" for name in re.search(r"^COPY (.+) \./$", DOCKERFILE, re.M)[1].split())]
