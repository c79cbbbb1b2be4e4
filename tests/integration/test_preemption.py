"""A node that is about to go, on a real cluster of two: one checkpoint more, and no step is lost when it is gone."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ray.cluster_utils import Cluster

from ldm3d.config import AutoencoderConfig, WorkersConfig
from pipelines.storage.folder import Folder
from pipelines.training.checkpoints import Checkpoints
from tests.integration.driver import start, wait_until

pytestmark = pytest.mark.slow
STEPS = 600


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """A head without CPUs, and two nodes with one each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture
def config(nodes, small_training, tmp_path) -> AutoencoderConfig:
    """One epoch, without a checkpoint before its end; not a single failure is allowed."""
    made = small_training(tmp_path, 4 * STEPS)
    workers = WorkersConfig(address=nodes.address, workers=2, gpus=0, max_restarts=0)
    loop = dataclasses.replace(made.loop, epochs=1, checkpoint_every=100_000)
    return dataclasses.replace(made, workers=workers, loop=loop)


def weights(output: Path) -> dict[str, torch.Tensor]:
    return Checkpoints(Folder(f"{output}/checkpoints")).load(STEPS).tensors["autoencoder"]


def test_a_drained_node_is_left_with_a_checkpoint_and_training_goes_on_elsewhere(nodes, config, tmp_path):
    first, leaving = nodes.add_node(num_cpus=1), nodes.add_node(num_cpus=1)
    assert first is not leaving
    output = tmp_path / "drained"
    driver = start(config, output)
    wait_until(lambda: list(output.glob("tensorboard/*")), driver)
    why = [
        "--reason",
        "DRAIN_NODE_REASON_PREEMPTION",
        "--reason-message",
        "spot",
        "--deadline-remaining-seconds",
        "60",
    ]
    node = ["--address", nodes.address, "--node-id", leaving.node_id]
    subprocess.run([Path(sys.executable).with_name("ray"), "drain-node", *node, *why], check=True)
    wait_until(lambda: list(output.glob("checkpoints/*/state.json")), driver)
    (saved,) = Checkpoints(Folder(f"{output}/checkpoints")).steps()
    assert 0 < saved < STEPS
    nodes.add_node(num_cpus=1)
    nodes.remove_node(leaving, allow_graceful=False)
    said, _ = driver.communicate(timeout=240)
    assert driver.returncode == 0, said.decode()[-3000:]

    undisturbed = tmp_path / "undisturbed"
    driver = start(config, undisturbed)
    said, _ = driver.communicate(timeout=240)
    assert driver.returncode == 0, said.decode()[-3000:]
    expected = weights(undisturbed)
    assert all(torch.equal(value, expected[name]) for name, value in weights(output).items())
