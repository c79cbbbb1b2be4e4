"""The scheduler of a trained model has the noise schedule that it was trained with."""

import numpy as np
import pytest
from diffusers import DDIMScheduler

from ldm3d.config import DenoisingLossConfig, DiffusionConfig, ModelConfig
from ldm3d.models.base import load_scheduler
from pipelines.training.diffusion_start import scheduler_of


def made(base, **loss) -> DDIMScheduler:
    config = DiffusionConfig(input="in", output="out", loss=DenoisingLossConfig(**loss))
    return scheduler_of(config, ModelConfig(base=str(base)))


def test_a_schedule_that_ends_in_pure_noise_is_that_of_the_paper_and_is_saved(toy_base, tmp_path):
    """Algorithm 1 of arXiv 2305.08891: sqrt(a_t) is shifted to end at 0, and scaled to begin as before."""
    before = load_scheduler(ModelConfig(base=str(toy_base))).alphas_cumprod.double().sqrt().numpy()
    wanted = (before - before[-1]) * before[0] / (before[0] - before[-1])
    made(toy_base, prediction="v_prediction", zero_terminal_snr=True).save_pretrained(tmp_path)
    saved = DDIMScheduler.from_pretrained(tmp_path)
    np.testing.assert_allclose(saved.alphas_cumprod.double().sqrt().numpy(), wanted, atol=1e-5)  # float32 products
    assert saved.alphas_cumprod[-1] == 0
    saved.set_timesteps(4)
    assert saved.timesteps.tolist() == [999, 749, 499, 249]
    assert saved.config.prediction_type == "v_prediction"


def test_without_it_the_schedule_is_the_bases(toy_base):
    base = load_scheduler(ModelConfig(base=str(toy_base)))
    assert (made(toy_base).alphas_cumprod == base.alphas_cumprod).all()
    assert made(toy_base).config.prediction_type == "epsilon"
    assert made(toy_base, prediction="v_prediction").config.prediction_type == "v_prediction"


def test_pure_noise_needs_velocity(toy_base):
    with pytest.raises(ValueError, match=r"add --loss\.prediction v_prediction"):
        made(toy_base, zero_terminal_snr=True)
    with pytest.raises(ValueError, match=r"--loss\.zero-terminal-snr is True, wanted False with epsilon"):
        DenoisingLossConfig(prediction="epsilon", zero_terminal_snr=True)
