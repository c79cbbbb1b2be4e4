"""The discriminator is the PatchGAN of latent diffusion: parameters, logits, what each of them sees."""

import pytest
import torch
from torch import nn

from ldm3d.training.discriminator import PatchDiscriminator

torch.set_num_threads(1)


@pytest.mark.parametrize(("channels", "parameters"), [(3, 2_765_633), (4, 2_766_657), (6, 2_768_705)])
def test_parameter_counts_are_those_of_the_original(channels, parameters):
    with torch.device("meta"):
        assert sum(weight.numel() for weight in PatchDiscriminator(channels).parameters()) == parameters


@pytest.mark.parametrize(("size", "logits"), [(256, 30), (384, 46), (512, 62)])
def test_logits_are_patches(size, logits):
    with torch.device("meta"):
        (seen,) = PatchDiscriminator(6)(torch.empty(2, 6, size, size))
    assert seen.shape == (2, 1, logits, logits)


def test_a_logit_sees_70_pixels():
    discriminator = PatchDiscriminator(6, filters=4).eval()
    pixels = torch.randn(1, 6, 128, 128, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (logits,) = discriminator(pixels)
    logits[0, 0, 7, 7].backward()
    rows, columns = pixels.grad.abs().sum((0, 1)).nonzero().T
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (70, 70)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_weights_start_small_and_norms_near_one(norm):
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(6, filters=32, norm=norm)
    widest = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)][-2]
    assert widest.weight.std().item() == pytest.approx(0.02, rel=0.01)
    norms = torch.cat([m.weight for m in discriminator.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)])
    assert norms.mean().item() == pytest.approx(1, abs=0.01)
    assert norms.std().item() == pytest.approx(0.02, rel=0.2)


def test_batches_of_one_call_are_normalised_apart():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(6, filters=4)
    real, fake = torch.randn(2, 6, 32, 32), torch.randn(2, 6, 32, 32) * 3
    together = discriminator(real, fake)
    for logits, batch in zip(together, (real, fake), strict=True):
        assert torch.equal(logits, discriminator(batch)[0])


def test_with_group_norm_a_logit_depends_on_its_picture_alone():
    torch.manual_seed(0)
    pictures = torch.randn(3, 6, 32, 32)
    batch, group = (PatchDiscriminator(6, filters=4, norm=norm) for norm in ("batch", "group"))
    torch.testing.assert_close(group(pictures)[0][:1], group(pictures[:1])[0])
    assert not torch.allclose(batch(pictures)[0][:1], batch(pictures[:1])[0], atol=1e-3)
