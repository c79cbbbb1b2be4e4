"""Manifests in cluster/kuberay: KubeRay and Ray take them, groups have a fixed size, jobs are retried and clean up."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from tests.builders.cluster_files import CLUSTER, KUBERAY, RAY_JOBS, cluster_of, groups_of, pods_of

SCHEMA = yaml.safe_load(Path(__file__).with_name("kuberay_schema.yaml").read_text())
IMPORTS_SERVE = pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")  # as Ray's command does
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def bytes_of(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


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


@pytest.mark.parametrize("name", KUBERAY)
def test_groups_have_a_fixed_size_and_the_head_no_cpus(name):
    """A stage plans with what the cluster has when it starts."""
    head, *groups = groups_of(KUBERAY[name])
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert all(group["minReplicas"] == group["replicas"] == group["maxReplicas"] for group in groups)


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
