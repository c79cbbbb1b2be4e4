"""An answer of the U-Net depends on its own question alone, to the bit."""

import pytest
import torch

from ldm3d.sampling.denoising import Denoising, Question
from ldm3d.serving.request import DrawRequest
from ldm3d.serving.rows import answers
from ldm3d.serving.slot import denoising_of

pytestmark = pytest.mark.usefixtures("one_thread")


def stepped(model, prompt: str, seed: int, steps: int, taken: int, **settings) -> Denoising:
    asked = DrawRequest(prompt=prompt, seed=seed, num_inference_steps=steps, height=16, width=16, **settings)
    denoising = denoising_of(asked, model)
    for _ in range(taken):
        denoising.answer(answers(model.unet, [denoising.question()], 8)[0])
    return denoising


@pytest.fixture(scope="module")
def questions(loaded) -> list[Question]:
    several = [
        stepped(loaded, "a red cube", 1, 4, 0),
        stepped(loaded, "a blue ball", 2, 50, 3, scheduler="euler"),
        stepped(loaded, "a cone", 3, 10, 2, guidance_scale=1.0),
        stepped(loaded, "", 4, 7, 1, scheduler="dpmpp", negative_prompt="fog"),
    ]
    return [denoising.question() for denoising in several]


def test_neighbours_place_and_their_timesteps_change_nothing(loaded, questions):
    alone = [answers(loaded.unet, [question], 8)[0] for question in questions]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3], [1, 2]):
        together = answers(loaded.unet, [questions[place] for place in order], 8)
        for place, answer in zip(order, together, strict=True):
            assert torch.equal(answer, alone[place])


def test_an_answer_is_that_of_a_plain_call_of_the_u_net(loaded, questions):
    for question in questions:
        plain = loaded.unet(question.latents, question.timestep, encoder_hidden_states=question.text).sample
        (ours,) = answers(loaded.unet, [question], len(question.latents))
        assert torch.equal(ours, plain)


def test_panoramas_wrap_round_for_their_own_call_only(loaded, questions):
    (plain,) = answers(loaded.unet, questions[:1], 8)
    (round_,) = answers(loaded.unet, questions[:1], 8, panorama=True)
    assert not torch.equal(plain, round_)
    assert torch.equal(plain, answers(loaded.unet, questions[:1], 8)[0])
