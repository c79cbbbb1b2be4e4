"""The denoising loss agrees with diffusers' noise schedule and with the formulas of its options."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel

from ldm3d.config import DenoisingLossConfig
from ldm3d.training.denoising import DenoisingDraws, denoising_loss, draw_latents, drop_captions, min_snr_weight
from ldm3d.training.noise_schedule import NoiseSchedule

torch.set_num_threads(1)

STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
TIMESTEPS = torch.tensor([0, 1, 500, 998, 999])
EVERY_TIMESTEP = torch.arange(1_000)


def latents(seed: int, count: int = 5) -> torch.Tensor:
    return torch.randn(count, 4, 6, 6, generator=torch.Generator().manual_seed(seed))


def schedule(prediction: str = "epsilon", **settings: object) -> NoiseSchedule:
    return NoiseSchedule.of(DDPMScheduler(prediction_type=prediction, **STABLE_DIFFUSION, **settings))


@pytest.mark.parametrize("scheduler_class", [DDPMScheduler, DDIMScheduler])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_the_forward_process_is_that_of_diffusers(scheduler_class, zero_snr):
    scheduler = scheduler_class(**STABLE_DIFFUSION, rescale_betas_zero_snr=zero_snr, prediction_type="v_prediction")
    ours, z, noise = NoiseSchedule.of(scheduler), latents(0), latents(1)
    torch.testing.assert_close(ours.add_noise(z, noise, TIMESTEPS), scheduler.add_noise(z, noise, TIMESTEPS))
    torch.testing.assert_close(ours.target(z, noise, TIMESTEPS), scheduler.get_velocity(z, noise, TIMESTEPS))
    assert len(ours) == 1_000


def test_the_target_is_the_noise_unless_the_checkpoint_or_the_user_says_velocity():
    noise = latents(1)
    assert schedule().target(latents(0), noise, TIMESTEPS) is noise
    assert schedule("v_prediction").prediction == "v_prediction"
    assert NoiseSchedule.of(DDPMScheduler(), "v_prediction").prediction == "v_prediction"


def test_a_checkpoint_that_predicts_something_else_is_refused():
    with pytest.raises(ValueError, match=r"'sample'.*loss\.prediction"):
        schedule("sample")


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_each_samples_own_mean_square(prediction):
    noise_schedule, z, noise = schedule(prediction), latents(0), latents(1)
    wrong = latents(2)

    def unet(noisy, timesteps, encoder_hidden_states):
        torch.testing.assert_close(noisy, noise_schedule.add_noise(z, noise, TIMESTEPS))
        return SimpleNamespace(sample=noise_schedule.target(z, noise, timesteps) + wrong)

    loss = denoising_loss(unet, z, torch.zeros(5, 2, 3), noise, TIMESTEPS, noise_schedule, DenoisingLossConfig())
    torch.testing.assert_close(loss, wrong.square().mean((1, 2, 3)))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weighs_every_prediction_as_the_same_error_of_the_clean_latent(prediction):
    noise_schedule, gamma = schedule(prediction), 5.0
    z, noise, wrong = latents(0, 1_000).double(), latents(1, 1_000).double(), latents(2, 1_000).double()
    noisy = noise_schedule.add_noise(z, noise, EVERY_TIMESTEP)
    alphas = noise_schedule.alphas_cumprod[:, None, None, None].double()
    predicted = noise_schedule.target(z, noise, EVERY_TIMESTEP) + 0.1 * wrong
    if prediction == "epsilon":
        clean = (noisy - (1 - alphas).sqrt() * predicted) / alphas.sqrt()
    else:
        clean = alphas.sqrt() * noisy - (1 - alphas).sqrt() * predicted
    snr = noise_schedule.snr(EVERY_TIMESTEP)
    expected = snr.clamp(max=gamma) * (clean - z).square().mean((1, 2, 3))
    config = DenoisingLossConfig(min_snr_gamma=gamma)
    loss = denoising_loss(
        lambda *_, **__: SimpleNamespace(sample=predicted), z, z, noise, EVERY_TIMESTEP, noise_schedule, config
    )
    torch.testing.assert_close(loss.double(), expected.double(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weights_stay_finite_where_a_schedule_ends_in_pure_noise(prediction):
    noise_schedule = schedule(prediction, rescale_betas_zero_snr=True)
    assert noise_schedule.snr(TIMESTEPS)[-1] == 0
    weights = min_snr_weight(noise_schedule, EVERY_TIMESTEP, gamma=5)
    assert weights.isfinite().all()
    assert weights.max() <= 1


def test_gradients_reach_a_real_unet_but_not_the_embeddings():
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    z, embeddings = torch.randn(5, 4, 8, 8), torch.randn(5, 3, 8)
    noise = torch.randn(5, 4, 8, 8)
    loss = denoising_loss(unet, z, embeddings, noise, TIMESTEPS, schedule(), DenoisingLossConfig())
    assert loss.shape == (5,)
    loss.mean().backward()
    assert all(weight.grad is not None for weight in unet.parameters())


def test_latents_are_drawn_from_the_posterior_and_scaled():
    mean, std, noise = latents(0).half(), latents(1).abs().half(), latents(2)
    drawn = draw_latents(mean, std, noise, 0.18215)
    assert drawn.dtype == torch.float32
    torch.testing.assert_close(drawn, 0.18215 * (mean.float() + std.float() * noise))


def test_a_caption_is_dropped_as_its_own_number_says():
    embeddings, empty = torch.randn(4, 3, 2), torch.randn(3, 2)
    dropped = drop_captions(embeddings, empty, torch.tensor([0.0, 0.0999, 0.1, 0.9]), 0.1)
    assert torch.equal(dropped, torch.stack([empty, empty, embeddings[2], embeddings[3]]))
    assert torch.equal(drop_captions(embeddings, empty, torch.zeros(4), 0.0), embeddings)


def draws(positions, **settings: object) -> DenoisingDraws:
    return DenoisingDraws.of(positions, (4, 6, 6), 1_000, DenoisingLossConfig(**settings), seed=3)


def test_draws_belong_to_samples_and_differ_by_purpose():
    whole, alone = draws(range(6)), draws([4])
    for name in ("posterior", "noise", "timesteps", "captions"):
        assert torch.equal(getattr(whole, name)[4:5], getattr(alone, name))
    assert not torch.equal(whole.posterior, whole.noise)


def test_timesteps_cover_the_schedule_evenly_and_a_tenth_of_captions_is_dropped():
    drawn = draws(range(4_000))
    assert drawn.timesteps.dtype == torch.int64
    assert drawn.timesteps.min() >= 0
    assert drawn.timesteps.max() <= 999
    assert (drawn.timesteps.double().mean() - 499.5).abs() < 5 * 1_000 / (12 * 4_000) ** 0.5
    assert abs((drawn.captions < 0.1).double().mean() - 0.1) < 5 * (0.09 / 4_000) ** 0.5


def test_offset_noise_shifts_all_pixels_of_a_channel_alike():
    plain, offset = draws(range(50)), draws(range(50), offset_noise=0.5)
    shift = offset.noise - plain.noise
    torch.testing.assert_close(shift, shift[..., :1, :1].expand_as(shift), rtol=0, atol=1e-5)
    assert abs(shift[..., 0, 0].std() - 0.5) < 5 * 0.5 / 400**0.5
    assert torch.equal(plain.posterior, offset.posterior)
