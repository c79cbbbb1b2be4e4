"""Between two steps: how many are left, and the clean latents that are in sight."""

import pytest
import torch

from ldm3d.config import Drawing, SamplingConfig
from ldm3d.sampling.denoise import denoise
from ldm3d.sampling.denoising import Denoising
from ldm3d.sampling.noise import initial_noise, seeded_generators
from ldm3d.sampling.sampler import SCHEDULERS, scheduler_of
from tests.builders.small_model import parts, texts

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model():
    return parts()


@pytest.mark.parametrize("name", sorted(SCHEDULERS))
def test_step_by_step_is_the_loop_and_ends_at_what_was_in_sight(model, name):
    scheduler, drawing = scheduler_of(SamplingConfig(scheduler=name), model.scheduler), Drawing(num_inference_steps=5)
    text, empty = texts()

    def given() -> dict:
        generators = seeded_generators([1, 2])
        noise = initial_noise(generators, (4, 4, 4))
        return {"noise": noise, "text": text[:2], "empty_text": empty, "drawing": drawing, "generators": generators}

    with torch.no_grad():
        denoising = Denoising(model.unet, scheduler, **given())
        total = denoising.left
        for taken in range(total):
            assert (denoising.taken, denoising.left) == (taken, total - taken)
            question = denoising.question()
            assert len(question.latents) == 4  # both captions, and the empty one for each
            before = denoising.latents
            answer = model.unet(question.latents, question.timestep, encoder_hidden_states=question.text).sample
            denoising.answer(answer)
            assert not torch.equal(denoising.latents, before)
    assert torch.equal(denoising.latents, denoise(model.unet, scheduler, **given()))
    # a last step goes all the way to the clean latents, but that of DDIM, whose schedule keeps a little noise
    torch.testing.assert_close(denoising.clean, denoising.latents, rtol=0.05, atol=0.05)
