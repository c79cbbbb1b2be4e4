"""One step of the autoencoder against its discriminator: equation 1 of the paper with kl-f8's constants.

    out = reconstructor(pixels, noise)
    losses = generator_loss(out, pixels, perceptual, discriminator, step, config.loss, mean_over_ranks)
    losses.total.backward()
    if adversarial(step, config.loss):
        discriminator_loss(discriminator_ddp, pixels, out.pixels).total.backward()

Both losses see the same batch and the same reconstruction, and both optimisers step afterwards. Neither loss leaves a
gradient in the other's network. Each loss is a mean over samples, so that gradients of equal micro-batches and of
equal workers are averaged; the adaptive weight and batch norm are statistics of one micro-batch over all workers.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from ldm3d.config import AutoencoderLossConfig
from ldm3d.training.ranks import Reduce, alone
from ldm3d.training.reconstruction import Distance, kl_divergence, reconstruction_terms
from ldm3d.training.reconstructor import Reconstruction

KERNEL = 3  # of every AutoencoderKL's decoder.conv_out, with a padding of 1
ADAPTIVE_EPSILON = 1e-4
ADAPTIVE_MAX = 1e4


@dataclass(frozen=True)
class AutoencoderLosses:
    """What one step of the autoencoder lost: means over the worker's samples, float32.

    total: the loss to call `backward` of; its gradient ends in the autoencoder.

    The others are detached. reconstruction, kl, adversarial: the terms of `total`, unweighted.
    l1: (C,), mean absolute error of each channel. perceptual_rgb, perceptual_depth: LPIPS.
    adaptive_weight: by which the adversarial term was multiplied, beside `adversarial_weight`; 0 without it.
    """

    total: Tensor
    reconstruction: Tensor
    kl: Tensor
    adversarial: Tensor
    adaptive_weight: Tensor
    l1: Tensor
    perceptual_rgb: Tensor
    perceptual_depth: Tensor


@dataclass(frozen=True)
class DiscriminatorLosses:
    """total: the hinge loss, to call `backward` of. real, fake: mean logits, detached; they part as it learns."""

    total: Tensor
    real: Tensor
    fake: Tensor


def adversarial(step: int, config: AutoencoderLossConfig) -> bool:
    """Whether the discriminator takes part in a step, counted in optimiser steps from 0.

    kl-f8 runs it from the start with a factor of 0: its weights and the autoencoder's stay the same without.
    """
    return config.adversarial_weight > 0 and step >= config.discriminator_start


def generator_loss(
    reconstruction: Reconstruction,
    target: Tensor,
    perceptual: Distance | None,
    discriminator: nn.Module | None,
    step: int,
    config: AutoencoderLossConfig,
    reduce: Reduce = alone,
) -> AutoencoderLosses:
    """L1 + LPIPS + KL, and the adversarial term once it takes part.

    The losses are differentiated as far as the reconstructed pixels only, each once, and `total` carries the sum of
    these gradients on into the autoencoder. So LPIPS and the discriminator are gone through once, although the
    adaptive weight needs their gradients apart; their parameters get no gradient; and nothing but `backward` passes
    through the autoencoder, which may be wrapped, sharded or compiled.

    Args:
        reconstruction: what the (wrapped) `Reconstructor` returned for `target`.
        target: (B, C, H, W) in [-1, 1].
        perceptual: LPIPS; None where its weights are 0.
        discriminator: the bare PatchDiscriminator, as DDP would wait for gradients that never come; None is enough
            while it takes no part.
        step: optimiser steps done before.
        reduce: mean over workers, called in steps in which the discriminator takes part.
    """
    pixels = reconstruction.pixels.detach().float().requires_grad_()
    terms = reconstruction_terms(pixels, target, perceptual, config)
    loss = terms.loss.mean()
    (gradient,) = torch.autograd.grad(loss, pixels)
    value = loss.detach()
    kl = kl_divergence(reconstruction.mean, reconstruction.log_variance).mean()
    realism, weight = torch.zeros_like(value), torch.zeros_like(value)
    if adversarial(step, config):
        if discriminator is None:
            raise ValueError(f"step {step} is adversarial (loss.discriminator_start), and there is no discriminator")
        assert reconstruction.features is not None  # without gradients, the first loss had none
        (logits,) = discriminator(pixels)
        realism = -logits.float().mean()
        (of_sum,) = torch.autograd.grad(-logits.float().sum(), pixels)  # those of the mean float16 would lose in part
        realism_gradient = of_sum / logits.numel()
        weight = adaptive_weight(reconstruction.features, gradient, realism_gradient, reduce)
        scale = config.adversarial_weight * weight
        gradient = gradient + scale * realism_gradient
        value = value + scale * realism.detach()
    return AutoencoderLosses(
        total=_KnownGradient.apply(reconstruction.pixels, value, gradient) + config.kl_weight * kl,
        reconstruction=loss.detach(),
        kl=kl.detach(),
        adversarial=realism.detach(),
        adaptive_weight=weight,
        l1=terms.l1.detach().mean(0),
        perceptual_rgb=terms.perceptual_rgb.detach().mean(),
        perceptual_depth=terms.perceptual_depth.detach().mean(),
    )


def discriminator_loss(discriminator: nn.Module, real: Tensor, fake: Tensor) -> DiscriminatorLosses:
    """The hinge loss of the (wrapped) discriminator: (mean relu(1 - D(real)) + mean relu(1 + D(fake))) / 2.

    real, fake: (B, C, H, W) in [-1, 1]; no gradient goes back through `fake`.
    """
    real_logits, fake_logits = discriminator(real, fake.detach().float())
    real_logits, fake_logits = real_logits.float(), fake_logits.float()
    total = (functional.relu(1 - real_logits).mean() + functional.relu(1 + fake_logits).mean()) / 2
    return DiscriminatorLosses(total, real_logits.detach().mean(), fake_logits.detach().mean())


def adaptive_weight(features: Tensor, gradient: Tensor, other: Tensor, reduce: Reduce = alone) -> Tensor:
    """What makes the adversarial loss pull as hard as the reconstruction loss (Esser et al. 2021, equation 7).

    ||dL_rec / dW|| / (||dL_adv / dW|| + 1e-4), at most 1e4, W the weight of the decoder's last convolution. Of that
    convolution the input and the gradients of its output are known, which give those of W without going through the
    autoencoder, and in float32 whatever precision it ran in.

    The gradients are averaged over workers before their norms are taken: so the weight is that of the whole batch, the
    same on every worker. Averaged norms, or each worker's own weight, would depend on how many workers share a batch.

    Args:
        features: (B, f, H, W), the input of the last convolution.
        gradient: (B, C, H, W), of the reconstruction loss by the reconstructed pixels.
        other: (B, C, H, W), of the adversarial loss.

    Returns:
        A scalar, float32, detached.
    """
    shape = (gradient.shape[1], features.shape[1], KERNEL, KERNEL)
    with torch.no_grad(), torch.autocast(features.device.type, enabled=False):
        by_weight = torch.stack(
            [conv2d_weight(features.float(), shape, each.float(), padding=1) for each in (gradient, other)]
        )
        reconstruction, realism = reduce(by_weight).flatten(1).norm(dim=1)
        weight: Tensor = reconstruction / (realism + ADAPTIVE_EPSILON)
        return weight.clamp(max=ADAPTIVE_MAX)


class _KnownGradient(torch.autograd.Function):
    """A scalar whose value and gradient with respect to `tensor` are known already."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.dtype = tensor.dtype
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return (scale * gradient).to(ctx.dtype), None, None
