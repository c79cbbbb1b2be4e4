"""The average follows its closed form, is float32, and gives the weights back to the bit."""

import pytest
import torch
from torch import nn

from ldm3d.config import EmaConfig
from ldm3d.training.ema import Ema

torch.set_num_threads(1)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))


def walk(module: nn.Module, ema: Ema, steps: int) -> list[torch.Tensor]:
    """Take random steps, update the average after each, and return the values of one weight, the initial one first."""
    seen = [module[0].weight.detach().clone()]
    for _ in range(steps):
        with torch.no_grad():
            for weight in module.parameters():
                weight += torch.randn_like(weight)
        ema.update(module)
        seen.append(module[0].weight.detach().clone())
    return seen


def test_a_constant_decay_weighs_the_past_by_its_powers():
    module = network()
    ema = Ema(module, EmaConfig(decay=0.9, warmup=False))
    weights = walk(module, ema, 20)
    expected = 0.9**20 * weights[0] + sum(0.1 * 0.9 ** (20 - t) * weights[t] for t in range(1, 21))
    torch.testing.assert_close(ema.average["0.weight"], expected)


def test_the_warmup_shortens_the_memory():
    module = network()
    ema = Ema(module, EmaConfig(decay=0.5, warmup=True))
    decays, expected = [], None
    for _ in range(12):
        decays.append(ema.decay)
        before, after = walk(module, ema, 1)
        expected = before if expected is None else expected
        expected = decays[-1] * expected + (1 - decays[-1]) * after
    assert decays == [min(0.5, (1 + t) / (10 + t)) for t in range(12)]
    assert decays[0] == 0.1
    assert decays[-1] == 0.5
    torch.testing.assert_close(ema.average["0.weight"], expected)


def test_the_average_is_float32_where_the_weights_are_not():
    module = network().bfloat16()
    ema = Ema(module, EmaConfig(decay=0.999, warmup=False))
    start = ema.average["0.weight"].clone()
    with torch.no_grad():
        module[0].weight += 1
    ema.update(module)
    assert ema.average["0.weight"].dtype == torch.float32
    moved = ema.average["0.weight"] - start  # bfloat16 would round it away
    torch.testing.assert_close(moved, torch.full_like(moved, 0.001), rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_network_has_the_average_inside_and_its_own_weights_after(dtype):
    module = network().to(dtype)
    ema = Ema(module, EmaConfig(decay=0.9))
    walk(module, ema, 3)
    own = {name: value.clone() for name, value in module.state_dict().items()}
    with ema.swapped_into(module):
        for name, average in ema.average.items():
            assert torch.equal(module.state_dict()[name], average.to(dtype))
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())


def test_weights_come_back_after_an_error():
    module = network()
    ema = Ema(module, EmaConfig())
    own = walk(module, ema, 2)[-1]
    with pytest.raises(KeyError), ema.swapped_into(module):
        raise KeyError
    assert torch.equal(module[0].weight, own)


def test_buffers_and_frozen_weights_are_those_of_the_network():
    module = network()
    module[0].bias.requires_grad_(False)
    ema = Ema(module, EmaConfig())
    assert ema.average.keys() == {"0.weight", "1.weight", "1.bias"}
    module(torch.randn(4, 2, 5, 5))  # moves the running mean
    running_mean = module[1].running_mean.clone()
    with ema.swapped_into(module):
        assert torch.equal(module[1].running_mean, running_mean)


def test_a_saved_average_goes_on_as_if_uninterrupted():
    module = network()
    ema = Ema(module, EmaConfig(decay=0.99))
    walk(module, ema, 5)
    saved = {name: value.clone() for name, value in ema.state_dict().items()}
    resumed = Ema(network(), EmaConfig(decay=0.99))
    resumed.load_state_dict(saved)
    for each in (ema, resumed):
        each.update(module)
    assert resumed.updates == ema.updates == 6
    assert all(torch.equal(resumed.average[name], ema.average[name]) for name in ema.average)


def test_the_average_of_another_network_is_refused():
    ema = Ema(nn.Linear(2, 2), EmaConfig())
    with pytest.raises(ValueError, match=r"names differ \(6, "):
        Ema(network(), EmaConfig()).load_state_dict(ema.state_dict())
