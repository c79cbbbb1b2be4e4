"""The toy metric depth model learns metres, and loads like any metric model of transformers."""

import numpy as np
import pytest
import torch

from ldm3d.depth.metric import MetricDepthEstimator
from ldm3d.toy.depth_model import VAL_SEEDS
from ldm3d.toy.metric_depth_model import metres, train_metric_depth_model
from ldm3d.toy.scenes import Scene, render
from tests.builders.small_depth_models import tiny_metric_depth_model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder and report of a training of 48 steps."""
    folder = tmp_path_factory.mktemp("metric_depth")
    return folder, train_metric_depth_model(folder, steps=48)


def test_scenes_are_in_metres_and_the_sky_is_as_far_as_the_model_sees():
    np.testing.assert_array_equal(metres(np.array([[0, 0.05, 0.5, 1]], np.float32)), [[10, 10, 2, 1]])


def test_loss_falls_and_error_is_reported(trained):
    _, report = trained
    assert len(report.losses) == 48
    assert np.mean(report.losses[-5:]) < 0.7 * np.mean(report.losses[:5])
    assert 0 < report.abs_rel < 0.45
    assert 0 < report.rmse_m < 3


def test_what_it_was_reported_to_see_is_what_the_estimator_gives(trained):
    folder, report = trained
    estimator = MetricDepthEstimator.from_pretrained("depth.reference", str(folder), flip=False)
    renderings = [render(Scene.from_seed(seed), 32) for seed in VAL_SEEDS]
    found = estimator(np.stack([image for image, _ in renderings])).numpy()
    exact = metres(np.stack([inverse_depth for _, inverse_depth in renderings]))
    assert np.mean(np.abs(found - exact) / exact) == pytest.approx(report.abs_rel, rel=1e-3)


def test_the_tiny_one_is_small_positive_and_sees_what_is_there(tmp_path):
    tiny_metric_depth_model(tmp_path)
    image = render(Scene.from_seed(0), 48).image
    estimator = MetricDepthEstimator.from_pretrained("depth.reference", str(tmp_path), flip=True)
    depth = estimator(np.stack([image, 255 - image]))
    assert depth.shape == (2, 48, 48)
    assert (depth > 0).float().mean() > 0.9
    assert (depth[0] - depth[1]).abs().mean() > 0.1 * depth[0].std() > 0
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 500_000


def test_training_leaves_torchs_random_state_alone(tmp_path):
    state = torch.get_rng_state()
    train_metric_depth_model(tmp_path, steps=1)
    assert torch.equal(torch.get_rng_state(), state)
