"""How many steps a scheduler can take is found out by taking them."""

import diffusers
import pytest
import torch

from ldm3d.config import SamplingConfig
from ldm3d.models.stable_diffusion import SCHEDULER
from ldm3d.sampling.sampler import SCHEDULERS, scheduler_of
from ldm3d.sampling.steps import require_steps

pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # of numpy, for diffusers


@pytest.fixture(scope="module")
def trained() -> diffusers.DDIMScheduler:
    return diffusers.DDIMScheduler(**SCHEDULER)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", [1, 2, 50])
def test_every_scheduler_takes_the_usual_numbers(name, steps, trained):
    state = torch.random.get_rng_state()
    require_steps(scheduler_of(SamplingConfig(scheduler=name), trained), steps)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["ddim", "dpmpp"])
def test_the_largest_number_that_works_is_named_and_works(name, trained):
    scheduler = scheduler_of(SamplingConfig(scheduler=name), trained)
    with pytest.raises(ValueError, match=r"num_inference_steps is 1000, wanted 1 to \d+") as refused:
        require_steps(scheduler, 1_000)
    largest = int(str(refused.value).split(" to ")[1].split(":")[0])
    assert 900 < largest < 1_000
    require_steps(scheduler, largest)
    scheduler.set_timesteps(largest)
    sample = torch.ones(1, 4, 2, 2)
    for timestep in scheduler.timesteps:
        sample = scheduler.step(torch.zeros_like(sample), timestep, sample, return_dict=False)[0]
    assert torch.isfinite(sample).all()
