"""What lies in cluster/, parsed; and the parts of KubeRay's manifests."""

from typing import Any

import yaml

from tests import ROOT

CLUSTER = ROOT / "cluster"
AWS = yaml.safe_load((CLUSTER / "ray-up/aws.yaml").read_text())
KUBERAY = {file.stem: yaml.safe_load(file.read_text()) for file in sorted((CLUSTER / "kuberay").glob("*.yaml"))}
RAY_JOBS = {name: manifest for name, manifest in KUBERAY.items() if manifest["kind"] == "RayJob"}


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
