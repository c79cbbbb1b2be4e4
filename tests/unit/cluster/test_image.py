"""The image has the Ray, Python and dependencies of the lock, and what `ray up` and KubeRay call."""

import re
import subprocess
import sys
import tomllib

from tests import ROOT
from tests.builders.cluster_files import AWS, CLUSTER, KUBERAY, cluster_of, containers_of

DOCKERFILE = (CLUSTER / "image/Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = dict(line.replace("_", "-").split("==") for line in (ROOT / "constraints.txt").read_text().split())


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
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["serve"]]
    assert made.stdout.splitlines() == wanted
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
