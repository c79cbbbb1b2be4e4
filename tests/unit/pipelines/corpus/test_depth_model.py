"""A depth model that gives nothing is refused before anything is downloaded."""

import pytest
import torch
from transformers import AutoModelForDepthEstimation

from ldm3d.config import LabelConfig
from ldm3d.toy.depth_model import tiny_depth_model
from pipelines.corpus.depth_model import _try_model


def test_a_depth_model_that_gives_nan_is_refused(tmp_path):
    tiny_depth_model(tmp_path)
    assert _try_model(LabelConfig(depth_model=str(tmp_path)), 32)["depth_model_type"] == "dpt"
    model = AutoModelForDepthEstimation.from_pretrained(tmp_path)
    for parameter in model.head.parameters():
        torch.nn.init.constant_(parameter, torch.nan)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="gives NaN or infinity for a black picture"):
        _try_model(LabelConfig(depth_model=str(tmp_path)), 32)
