"""Operations are counted as by hand, and peaks follow from the device's name."""

import pytest
import torch
from torch import nn

from ldm3d.training.flops import count_flops, peak_flops


def test_forward_and_backward_of_a_layer_are_three_products():
    layer, rows = nn.Linear(8, 16), torch.randn(4, 8, requires_grad=True)
    result, flops = count_flops(lambda: layer(rows).sum().backward() or "done")
    assert result == "done"
    assert flops == 3 * 2 * 4 * 8 * 16  # the output, the gradient of the weights, the gradient of the rows


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10G", 125e12),
        ("NVIDIA L40S", 362e12),
        ("Tesla V100-SXM2-16GB", 125e12),
        ("Tesla T4", 65e12),
        ("NVIDIA A10", 125e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA B200", 2_250e12),
        ("NVIDIA L40", None),
        ("NVIDIA T400 4GB", None),
        ("NVIDIA GB200", None),
        ("NVIDIA GH200 480GB", None),
        ("A device of tomorrow", None),
    ],
)
def test_the_peak_is_that_of_the_device(monkeypatch, name, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops(torch.device("cuda")) == peak


def test_of_a_cpu_none_is_known():
    assert peak_flops(torch.device("cpu")) is None
