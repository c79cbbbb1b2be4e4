"""Bad steps are skipped, counted, and end the run when there are too many in a row."""

import json

import pytest
import torch

from ldm3d.training.guard import MEMORY, DivergedError, StepGuard

FINE, NAN, INFINITE = (torch.tensor(value) for value in (1.0, float("nan"), float("inf")))


def test_a_good_step_is_taken():
    guard = StepGuard(max_skipped=1)
    assert guard.accepts([FINE, FINE], {"unet": FINE})
    assert guard.skipped == 0


@pytest.mark.parametrize("bad", [NAN, INFINITE])
def test_a_loss_or_a_norm_that_is_not_finite_skips_the_step(bad):
    guard = StepGuard(max_skipped=5)
    assert not guard.accepts([FINE, bad], {"autoencoder": FINE, "discriminator": FINE})
    assert not guard.accepts([FINE, FINE], {"autoencoder": FINE, "discriminator": bad})
    assert guard.skipped == 2


def test_too_many_in_a_row_end_the_run_with_what_they_were():
    guard = StepGuard(max_skipped=2)
    assert [guard.accepts([NAN], {"unet": INFINITE}) for _ in range(2)] == [False, False]
    with pytest.raises(DivergedError, match=r"3 steps in a row.*nan.*'unet': inf.*learning-rate"):
        guard.accepts([NAN], {"unet": INFINITE})


def test_a_good_step_between_starts_the_count_again():
    guard = StepGuard(max_skipped=2)
    for _ in range(5):
        for loss in (NAN, NAN, FINE):
            guard.accepts([loss], {"unet": FINE})
    assert (guard.skipped, guard.in_a_row) == (10, 0)


def test_an_exploding_norm_is_bad_once_it_is_known_what_is_usual():
    guard = StepGuard(max_skipped=5)
    huge = torch.tensor(1e4)
    assert guard.accepts([FINE], {"unet": huge})  # nothing is usual yet
    guard = StepGuard(max_skipped=5)
    for _ in range(MEMORY):
        assert guard.accepts([FINE], {"unet": FINE})
    assert guard.accepts([FINE], {"unet": torch.tensor(500.0)})
    guard.accepts([FINE], {"unet": FINE})
    assert not guard.accepts([FINE], {"unet": torch.tensor(1e5)})
    assert guard.accepts([FINE], {"unet": FINE, "discriminator": huge})  # a network that joins later


def test_a_bad_norm_is_not_taken_for_usual():
    guard = StepGuard(max_skipped=100)
    for _ in range(MEMORY):
        guard.accepts([FINE], {"unet": FINE})
    assert not any(guard.accepts([FINE], {"unet": torch.tensor(1e6)}) for _ in range(MEMORY))


@pytest.mark.parametrize("vanishing", [0.0, 1e-5])
def test_a_network_may_learn_again_after_its_gradients_had_vanished(vanishing):
    """The hinge loss of a discriminator that wins is 0."""
    guard = StepGuard(max_skipped=5)
    for norm in (*[0.0] * 60, *[1.0] * 100, *[vanishing] * 1_000, *[1.0] * 100):
        assert guard.accepts([FINE], {"discriminator": torch.tensor(norm)})
    assert not guard.accepts([FINE], {"discriminator": torch.tensor(2_000.0)})


def test_one_bad_worker_stops_them_all():
    others = torch.tensor([0.0, 1.0])  # another worker's flag, and the same averaged norm
    guard = StepGuard(max_skipped=1, reduce=lambda mine: (mine + others) / 2)
    assert not guard.accepts([FINE], {"unet": FINE})


def test_a_resumed_guard_judges_the_same():
    guard = StepGuard(max_skipped=3)
    for _ in range(MEMORY):
        guard.accepts([FINE], {"unet": FINE})
    guard.accepts([NAN], {"unet": FINE})
    resumed = StepGuard(max_skipped=3)
    resumed.load_state_dict(json.loads(json.dumps(guard.state_dict())))
    assert (resumed.skipped, resumed.in_a_row) == (1, 1)
    assert not resumed.accepts([FINE], {"unet": torch.tensor(2e3)})
    assert resumed.in_a_row == 2
