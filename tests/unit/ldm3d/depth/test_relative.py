"""Labels hold the prediction of a transformers model in 16 bits, larger = nearer."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import DPTImageProcessor

from ldm3d.config import LabelConfig
from ldm3d.depth.meaning import predicts
from ldm3d.depth.relative import DepthEstimator, quantise
from ldm3d.rgbd import DEPTH_MAX


class Constant(torch.nn.Module):
    """A depth model that always predicts the same map."""

    def __init__(self, predicted: torch.Tensor) -> None:
        super().__init__()
        self.predicted = predicted
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def forward(self, pixel_values):
        return SimpleNamespace(predicted_depth=self.predicted.expand(len(pixel_values), -1, -1))


def raw_values(labels):
    """What the model predicted, to within half a level of its range, by the formula of the corpus's card."""
    low, high = (ends.astype(np.float64)[:, None, None] for ends in (labels.raw_min, labels.raw_max))
    return (low + labels.depth / DEPTH_MAX * (high - low)).astype(np.float32)


def test_both_ends_of_the_range_are_reached_and_the_raw_range_is_kept():
    labels = quantise(torch.tensor([[[-2.0, 0.0], [1.0, 6.0]]]))
    np.testing.assert_array_equal(labels.depth, [[[0, 16_384], [24_576, DEPTH_MAX]]])
    assert (labels.raw_min[0], labels.raw_max[0]) == (-2.0, 6.0)


def test_a_flat_map_is_all_zero():
    labels = quantise(torch.full((1, 4, 4), 3.0))
    assert labels.depth.max() == 0
    assert labels.is_finite.all()
    np.testing.assert_array_equal(raw_values(labels), np.full((1, 4, 4), 3.0))


def test_one_bad_map_does_not_touch_its_neighbours():
    maps = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    alone = quantise(maps[[0, 2]])
    maps[1, 0, 0] = float("nan")
    labels = quantise(maps)
    np.testing.assert_array_equal(labels.is_finite, [True, False, True])
    np.testing.assert_array_equal(labels.depth[[0, 2]], alone.depth)


def test_the_raw_values_come_back_to_half_a_level():
    maps = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(1)) * 50
    labels = quantise(maps)
    error = np.abs(raw_values(labels) - maps.numpy()).max((1, 2))
    half_level = (labels.raw_max - labels.raw_min) / DEPTH_MAX / 2
    assert (error <= half_level + np.spacing(labels.raw_max)).all()  # the value and the result are float32


def test_every_level_survives_quantisation():
    levels = torch.arange(DEPTH_MAX + 1, dtype=torch.float32).reshape(1, 256, 256)
    np.testing.assert_array_equal(quantise(levels).depth[0].ravel(), np.arange(DEPTH_MAX + 1))
    np.testing.assert_array_equal(quantise(levels * 0.37 - 11).depth[0].ravel(), np.arange(DEPTH_MAX + 1))


def test_metric_depth_is_inverted_so_that_near_is_large():
    model, as_it_is = Constant(torch.tensor([[[1.0, 2.0], [4.0, 0.0]]])), DPTImageProcessor(do_resize=False)
    estimator = DepthEstimator(model, as_it_is, inverts=True)
    labels = estimator(np.zeros((2, 2, 2, 3), np.uint8))
    assert labels.depth.argmax() == 0
    np.testing.assert_allclose(labels.raw_max, 1.0)
    np.testing.assert_allclose(labels.raw_min, 1e-3)  # no depth counts as 1,000 m
    assert labels.depth[0, 0, 1] == round((0.5 - 1e-3) / (1 - 1e-3) * DEPTH_MAX)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("inverts", [False, True])
def test_a_map_that_is_not_finite_fails_whatever_it_means(value, inverts):
    """Compared with a limit, NaN would count as far away."""
    model = Constant(torch.tensor([[[1.0, 2.0], [4.0, value]]]))
    labels = DepthEstimator(model, DPTImageProcessor(do_resize=False), inverts=inverts)(
        np.zeros((2, 2, 2, 3), np.uint8)
    )
    assert not labels.is_finite.any()


@pytest.mark.parametrize(
    ("model_type", "extra", "expected"),
    [
        ("dpt", {}, "inverse_depth"),
        ("zoedepth", {}, "depth"),
        ("depth_anything", {"depth_estimation_type": "relative"}, "inverse_depth"),
        ("depth_anything", {"depth_estimation_type": "metric"}, "depth"),
    ],
)
def test_what_a_model_predicts_is_read_from_its_configuration(model_type, extra, expected):
    config = type("Config", (), {"model_type": model_type, **extra})
    assert predicts(config) == expected


def test_an_unknown_model_type_asks_for_the_meaning():
    config = type("Config", (), {"model_type": "new"})
    with pytest.raises(ValueError, match=r"--label\.predicts"):
        predicts(config)
    assert predicts(config, "depth") == "depth"


def test_a_model_that_does_not_load_says_what_to_give(tmp_path):
    with pytest.raises(ValueError, match="save_pretrained"):
        DepthEstimator.from_pretrained(LabelConfig(depth_model=str(tmp_path)))


@pytest.mark.parametrize(
    ("backbone", "known"),
    [
        ("vit", True),
        ("bit", True),
        ("beit", True),
        ("swinv2", True),
        ("dinov2", False),
        ("dinov2_with_registers", False),
    ],
)
def test_of_a_dpt_only_those_with_midas_encoders_are_known_to_predict_inverse_depth(backbone, known):
    config = SimpleNamespace(model_type="dpt", backbone_config=SimpleNamespace(model_type=backbone))
    assert predicts(config, "depth") == "depth"
    if known:
        assert predicts(config) == "inverse_depth"
    else:
        with pytest.raises(ValueError, match=rf"'dpt' with the encoder '{backbone}' .*--label\.predicts"):
            predicts(config)
