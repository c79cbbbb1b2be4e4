"""The toy depth model learns, is reproducible, and loads like any transformers model."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from ldm3d.toy.depth_model import DepthModelReport, tiny_depth_model, train_depth_model
from ldm3d.toy.scenes import Scene, render


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder and report of a training of 48 steps."""
    folder = tmp_path_factory.mktemp("depth_model")
    return folder, train_depth_model(folder, steps=48)


def predict(folder, images):
    processor, model = (
        kind.from_pretrained(folder, local_files_only=True)
        for kind in (AutoImageProcessor, AutoModelForDepthEstimation)
    )
    with torch.no_grad():
        return model(**processor(images, return_tensors="pt")).predicted_depth


pytestmark = pytest.mark.usefixtures("one_thread")


def test_loss_falls(trained):
    _, report = trained
    assert len(report.losses) == 48
    assert np.mean(report.losses[-5:]) < 0.6 * np.mean(report.losses[:5])


def test_report_says_what_was_measured(trained):
    _, report = trained
    assert isinstance(report, DepthModelReport)
    assert 0 < report.l1 < 0.25
    assert 500_000 < report.parameters < 1_000_000


def test_it_loads_by_the_ordinary_classes_and_sees_floor_nearer_than_sky(trained):
    folder, _ = trained
    images = [render(Scene.from_seed(seed), 32).image for seed in range(4)]
    depth = predict(folder, images)
    assert depth.shape == (4, 64, 64)
    assert (depth[:, -8:].mean((1, 2)) > depth[:, :8].mean((1, 2)) + 0.2).all()


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_depth_model(tmp_path / name, steps=2, seed=seed)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_each_step_is_told(tmp_path):
    told = []
    train_depth_model(tmp_path, steps=3, show=lambda done, steps: told.append((done, steps)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_training_leaves_torchs_random_state_and_threads_alone(tmp_path):
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    train_depth_model(tmp_path, steps=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 2


def test_tiny_model_loads_like_a_real_one(tmp_path):
    tiny_depth_model(tmp_path)
    image = render(Scene.from_seed(0), 48).image
    depth = predict(tmp_path, [image, 255 - image])
    assert depth.shape[0] == 2
    assert torch.isfinite(depth).all()
    assert len(depth[0].unique()) > 0.9 * depth[0].numel()  # or labels of the wrong picture would look right
    assert depth[0].std() > 100 * torch.finfo(torch.float32).eps
    assert (depth[0] - depth[1]).abs().mean() > 0.1 * depth[0].std()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 500_000
