"""The toy CLIP learns, is reproducible, and loads in place of a real one."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ldm3d.config import ClipConfig
from ldm3d.measures import Batch
from ldm3d.measures.opened import similarity_of
from ldm3d.toy.clip_model import train_clip_model
from ldm3d.toy.scenes import Scene, render

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder and report of a training of 24 steps."""
    folder = tmp_path_factory.mktemp("clip_model")
    return folder, train_clip_model(folder, steps=24)


def test_loss_falls_and_the_report_says_what_was_measured(trained):
    _, report = trained
    assert report.losses[-1] < 0.75 * report.losses[0]
    assert (len(report.losses), report.parameters) == (24, 529_441)
    assert report.recall > 3 / 64
    assert report.matched > report.shuffled


def test_it_scores_pictures_of_scenes_it_has_not_seen(trained):
    folder, _ = trained
    scenes = [Scene.from_seed(seed) for seed in range(40)]
    images, captions = [render(scene, 32).image for scene in scenes], [scene.caption for scene in scenes]
    measure = similarity_of(ClipConfig(model=str(folder)), "cpu")

    def mean(captions: list[str]) -> float:
        batch = Batch(np.arange(40), np.zeros(40, np.int32), images, captions)
        return measure(batch)["clip"].to_numpy().mean()

    assert mean(captions) > mean(captions[7:] + captions[:7]) + 5


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_clip_model(tmp_path / name, steps=2, seed=seed)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)
