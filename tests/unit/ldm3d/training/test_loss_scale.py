"""The loss scale is as large as gradients allow."""

import pytest
import torch

from ldm3d.training.loss_scale import FIRST, GROWS_AFTER, LossScale

FINE, TOO_LARGE = {"unet": torch.tensor(1.0)}, {"unet": torch.tensor(1.0), "judge": torch.tensor(float("inf"))}


def test_an_overflow_of_any_network_halves_it_and_leaves_the_step_out():
    scale = LossScale(is_needed=True)
    assert scale.overflows(TOO_LARGE)
    assert not scale.overflows(FINE)
    assert scale.value == FIRST / 2


def test_it_grows_again_after_many_good_steps_in_a_row():
    scale = LossScale(is_needed=True)
    for _ in range(GROWS_AFTER - 1):
        scale.overflows(FINE)
    scale.overflows(TOO_LARGE)
    for _ in range(GROWS_AFTER - 1):
        scale.overflows(FINE)
    assert scale.value == FIRST / 2
    scale.overflows(FINE)
    assert scale.value == FIRST


def test_at_one_what_is_not_finite_is_for_the_guard():
    scale = LossScale(is_needed=True)
    while scale.value > 1:
        assert scale.overflows(TOO_LARGE)
    assert not scale.overflows(TOO_LARGE)
    assert not LossScale(is_needed=False).overflows(TOO_LARGE)


@pytest.mark.parametrize("is_needed", [True, False])
def test_gradients_come_back_as_they_would_be_without_it(is_needed):
    scale, weight = LossScale(is_needed), torch.tensor([2.0, -3.0], requires_grad=True)
    ((weight**2).sum() * scale.value).backward()
    scale.unscale([weight.grad])
    assert weight.grad.tolist() == [4.0, -6.0]


def test_it_goes_on_from_its_state():
    scale, again = LossScale(is_needed=True), LossScale(is_needed=True)
    scale.overflows(TOO_LARGE)
    scale.overflows(FINE)
    again.load_state_dict(scale.state_dict())
    assert again.state_dict() == scale.state_dict()
