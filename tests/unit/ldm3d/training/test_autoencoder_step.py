"""A step has the losses and gradients of equation 1 as kl-f8 computes it, and neither network trains the other."""

from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn import functional

from ldm3d.config import AutoencoderLossConfig
from ldm3d.training.autoencoder_step import adaptive_weight, adversarial, discriminator_loss, generator_loss
from ldm3d.training.discriminator import PatchDiscriminator
from ldm3d.training.perceptual import Perceptual
from ldm3d.training.reconstruction import kl_divergence, reconstruction_terms
from ldm3d.training.reconstructor import Reconstructor

torch.set_num_threads(1)

CONFIG = AutoencoderLossConfig(kl_weight=0.01, discriminator_start=10)
BEFORE, AFTER = 9, 10


def autoencoder(channels: int = 6) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=2,
    )


@pytest.fixture
def vae() -> AutoencoderKL:
    return autoencoder()


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return Perceptual("squeeze", "random")


@pytest.fixture(params=["batch", "group"])
def discriminator(request) -> PatchDiscriminator:
    torch.manual_seed(1)
    return PatchDiscriminator(6, filters=4, layers=2, norm=request.param)


def batch(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels in [-1, 1] and posterior noise."""
    generator = torch.Generator().manual_seed(2)
    pixels = torch.rand(count, 6, 32, 32, generator=generator) * 2 - 1
    return pixels, torch.randn(count, 4, 16, 16, generator=generator)


def gradients(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in module.named_parameters()}


def kl_f8(vae, perceptual, discriminator, pixels, noise) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute total loss and adaptive weight in one graph, differentiating by the weights of the last layer."""
    posterior = vae.encode(pixels).latent_dist
    fake = vae.decode(posterior.mean + posterior.std * noise).sample
    loss = reconstruction_terms(fake, pixels, perceptual, CONFIG).loss.sum() / len(pixels)
    realism = -discriminator(fake)[0].mean()
    last = vae.decoder.conv_out.weight
    norms = [torch.autograd.grad(each, last, retain_graph=True)[0].norm() for each in (loss, realism)]
    weight = (norms[0] / (norms[1] + 1e-4)).clamp(0, 1e4)
    return loss + CONFIG.kl_weight * posterior.kl().mean() + 0.5 * weight * realism, weight


def test_losses_and_gradients_are_those_of_kl_f8(vae, perceptual, discriminator):
    pixels, noise = batch()
    expected, expected_weight = kl_f8(vae, perceptual, discriminator, pixels, noise)
    expected.backward()
    expected_gradients = gradients(vae)
    vae.zero_grad()
    losses = generator_loss(Reconstructor(vae)(pixels, noise), pixels, perceptual, discriminator, AFTER, CONFIG)
    losses.total.backward()
    torch.testing.assert_close(losses.total, expected)
    torch.testing.assert_close(losses.adaptive_weight, expected_weight, rtol=1e-4, atol=0)
    torch.testing.assert_close(gradients(vae), expected_gradients, rtol=1e-3, atol=1e-3)
    assert losses.adversarial != 0


def test_before_the_start_there_is_no_adversarial_term(vae, perceptual):
    pixels, noise = batch()
    losses = generator_loss(Reconstructor(vae)(pixels, noise), pixels, perceptual, None, BEFORE, CONFIG)
    assert losses.adversarial == losses.adaptive_weight == 0
    torch.testing.assert_close(losses.total, losses.reconstruction + CONFIG.kl_weight * losses.kl)
    losses.total.backward()
    assert all(weight.grad is not None for weight in vae.parameters())


def test_the_discriminator_starts_on_time_or_never():
    assert [adversarial(step, CONFIG) for step in (0, BEFORE, AFTER)] == [False, False, True]
    assert adversarial(0, replace(CONFIG, discriminator_start=0))
    assert not adversarial(10**9, replace(CONFIG, adversarial_weight=0))


def test_a_missing_discriminator_is_refused(vae, perceptual):
    pixels, noise = batch()
    with pytest.raises(ValueError, match=r"step 10 .*--loss\.discriminator-start"):
        generator_loss(Reconstructor(vae)(pixels, noise), pixels, perceptual, None, AFTER, CONFIG)


def test_gradients_do_not_leak_between_the_networks(vae, perceptual, discriminator):
    pixels, noise = batch()
    reconstruction = Reconstructor(vae)(pixels, noise)
    generator_loss(reconstruction, pixels, perceptual, discriminator, AFTER, CONFIG).total.backward()
    assert all(weight.grad is None for weight in discriminator.parameters())
    before = gradients(vae)
    discriminator_loss(discriminator, pixels, reconstruction.pixels).total.backward()
    assert all(weight.grad.norm() > 0 for weight in discriminator.parameters() if weight.ndim > 1)
    assert all(torch.equal(after, before[name]) for name, after in gradients(vae).items())


def test_the_discriminator_trains_on_the_hinge_of_both(discriminator):
    real, fake = batch(4)[0], batch(4)[0].flip(0) * 0.5
    losses = discriminator_loss(discriminator, real, fake)
    real_logits, fake_logits = discriminator(real, fake)
    expected = 0.5 * (functional.relu(1 - real_logits).mean() + functional.relu(1 + fake_logits).mean())
    torch.testing.assert_close(losses.total, expected)
    torch.testing.assert_close(losses.real, real_logits.mean().detach())
    torch.testing.assert_close(losses.fake, fake_logits.mean().detach())


def test_a_discriminator_that_is_sure_has_no_loss():
    class Sure(nn.Module):
        def forward(self, real, fake):
            return torch.full((2, 1, 3, 3), 1.5), torch.full((2, 1, 3, 3), -1.5)

    pixels = batch(2)[0]
    assert discriminator_loss(Sure(), pixels, pixels).total == 0


def test_the_generator_becomes_more_real_to_the_discriminator(vae, discriminator):
    """The sign of the adversarial term is right: logits of the reconstruction rise."""
    pixels, noise = batch()
    config = replace(CONFIG, perceptual=replace(CONFIG.perceptual, rgb_weight=0, depth_weight=0))
    config = replace(config, adversarial_weight=10.0)
    optimiser = torch.optim.Adam(vae.parameters(), 1e-3)
    seen = []
    for _ in range(5):
        losses = generator_loss(Reconstructor(vae)(pixels, noise), pixels, None, discriminator, AFTER, config)
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
        seen.append(losses.adversarial.item())
    assert seen[-1] < seen[0]


def test_gradients_of_micro_batches_average_to_that_of_the_batch(vae, perceptual):
    pixels, noise = batch(4)
    reconstructor = Reconstructor(vae)
    generator_loss(reconstructor(pixels, noise), pixels, perceptual, None, BEFORE, CONFIG).total.backward()
    whole = gradients(vae)
    vae.zero_grad()
    for x, eps in zip(pixels.split(2), noise.split(2), strict=True):
        (generator_loss(reconstructor(x, eps), x, perceptual, None, BEFORE, CONFIG).total / 2).backward()
    torch.testing.assert_close(gradients(vae), whole, rtol=1e-3, atol=1e-3)


def test_in_bfloat16_the_losses_stay_float32_and_near(vae, perceptual, discriminator):
    pixels, noise = batch()
    reconstructor = Reconstructor(vae)
    exact = generator_loss(reconstructor(pixels, noise), pixels, perceptual, discriminator, AFTER, CONFIG)
    with torch.autocast("cpu", torch.bfloat16):
        reconstruction = reconstructor(pixels, noise)
        losses = generator_loss(reconstruction, pixels, perceptual, discriminator, AFTER, CONFIG)
    assert reconstruction.pixels.dtype == torch.bfloat16
    assert {value.dtype for value in vars(losses).values()} == {torch.float32}
    torch.testing.assert_close(losses.total, exact.total, rtol=0.03, atol=0)
    torch.testing.assert_close(losses.adaptive_weight, exact.adaptive_weight, rtol=0.1, atol=0)
    losses.total.backward()
    assert all(weight.grad.isfinite().all() for weight in vae.parameters())


def test_the_adaptive_weight_is_bounded_where_the_discriminator_says_nothing():
    features, pull = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 8, 8)
    assert adaptive_weight(features, pull, torch.zeros_like(pull)) == 1e4
    assert adaptive_weight(features, torch.zeros_like(pull), pull) == 0


def test_the_reconstructor_is_the_autoencoder_with_noise_from_outside(vae):
    pixels, noise = batch()
    reconstruction = Reconstructor(vae)(pixels, noise)
    posterior = vae.encode(pixels).latent_dist
    torch.testing.assert_close(reconstruction.mean, posterior.mean)
    torch.testing.assert_close(kl_divergence(reconstruction.mean, reconstruction.log_variance), posterior.kl())
    torch.testing.assert_close(reconstruction.pixels, vae.decode(posterior.mean + posterior.std * noise).sample)
    torch.testing.assert_close(reconstruction.pixels, vae.decoder.conv_out(reconstruction.features))
    with torch.no_grad():
        at_mean = Reconstructor(vae)(pixels, torch.zeros_like(noise))
    assert at_mean.features is None
    torch.testing.assert_close(at_mean.pixels, vae(pixels, sample_posterior=False).sample)


def test_gradient_checkpointing_changes_nothing(vae, perceptual, discriminator):
    pixels, noise = batch()
    seen = []
    for checkpointing in (False, True):
        vae.enable_gradient_checkpointing() if checkpointing else vae.disable_gradient_checkpointing()
        vae.train().zero_grad()
        reconstruction = Reconstructor(vae)(pixels, noise)
        generator_loss(reconstruction, pixels, perceptual, discriminator, AFTER, CONFIG).total.backward()
        seen.append(gradients(vae))
    torch.testing.assert_close(*seen, rtol=1e-4, atol=1e-4)
