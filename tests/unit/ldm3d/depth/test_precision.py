"""Depth models run in half precision on a GPU, in float32 elsewhere, and in any precision asked for by name."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from ldm3d.config import LabelConfig
from ldm3d.depth.relative import DepthEstimator
from ldm3d.toy.depth_model import tiny_depth_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    tiny_depth_model(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("has_gpu", "asked", "expected"),
    [
        (True, "auto", ("cuda", torch.float16)),
        (True, "float32", ("cuda", torch.float32)),
        (False, "auto", ("cpu", torch.float32)),
        (False, "bfloat16", ("cpu", torch.bfloat16)),
    ],
)
def test_the_model_goes_to_the_gpu_if_there_is_one_in_the_precision_for_it(
    folder, monkeypatch, has_gpu, asked, expected
):
    moved_to = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(PreTrainedModel, "to", lambda self, device: moved_to.append(device) or self)
    model = DepthEstimator.from_pretrained(LabelConfig(depth_model=folder, dtype=asked)).model
    assert (*moved_to, model.dtype) == expected


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_raw_depth_of_half_precision_is_near_that_of_full(folder, dtype):
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    full, half = (
        DepthEstimator.from_pretrained(LabelConfig(depth_model=folder, dtype=name))(images)
        for name in ("float32", dtype)
    )
    assert half.is_finite.all()
    np.testing.assert_allclose(half.raw_max, full.raw_max, rtol=0.02)
