"""One step of the autoencoder against its discriminator: equation 1 of the paper with kl-f8's constants.

    out = reconstructor(pixels, noise)
    losses = generator_loss(out, pixels, perceptual, discriminator, step, config.loss, mean_over_ranks)
    losses.total.backward()
    if adversarial(step, config.loss):
        discriminator_loss(discriminator_ddp, pixels, out.pixels).total.backward()

Both losses see the same batch and the same reconstruction, and both optimisers step afterwards. Neither loss leaves a
gradient in the other's network. Each loss is a mean over samples, so gradients of micro-batches and workers of equal
size can be averaged; the adaptive weight and batch norm are statistics of one micro-batch over all workers.
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
    """The losses of one autoencoder step: means over the worker's samples, float32, detached but for `total`."""

    total: Tensor
    """The loss to call `backward` on; its gradient reaches the autoencoder only."""
    reconstruction: Tensor
    """A term of `total`, unweighted, as are `kl` and `adversarial`."""
    kl: Tensor
    adversarial: Tensor
    adaptive_weight: Tensor
    """Factor of the adversarial term, in addition to `adversarial_weight`; 0 without that term."""
    l1: Tensor
    """(C,), mean absolute error of each channel."""
    perceptual_rgb: Tensor
    """LPIPS."""
    perceptual_depth: Tensor
    """LPIPS."""


@dataclass(frozen=True)
class DiscriminatorLosses:
    """The losses of one discriminator step."""

    total: Tensor
    """The hinge loss, to call `backward` on."""
    real: Tensor
    """Mean logit of real pictures, detached; grows apart from `fake` as the discriminator learns."""
    fake: Tensor
    """Mean logit of reconstructions, detached."""


def adversarial(step: int, config: AutoencoderLossConfig) -> bool:
    """Whether the discriminator takes part in optimiser step `step`, counted from 0.

    kl-f8 runs it from the start with a factor of 0; leaving it out changes neither its weights nor the autoencoder's.
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
    """Compute L1 + LPIPS + KL, and the adversarial term once the discriminator takes part.

    Each loss is differentiated once, and only down to the reconstructed pixels; `total` carries the sum of these
    gradients on into the autoencoder. So LPIPS and the discriminator are traversed once, although the adaptive weight
    needs their gradients separately; their parameters get no gradient; and only `backward` passes through the
    autoencoder, which may be wrapped, sharded or compiled.

    Args:
        reconstruction: what the (wrapped) `Reconstructor` returned for `target`.
        target: (B, C, H, W) in [-1, 1].
        perceptual: LPIPS; may be None if its weights are 0.
        discriminator: the bare PatchDiscriminator, since DDP would wait for gradients that never come; may be None
            while it takes no part.
        step: optimiser steps done before.
        reduce: mean over workers, called only if the discriminator takes part.
    """
    # reconstruction loss, down to the pixels
    pixels = reconstruction.pixels.detach().float().requires_grad_()
    terms = reconstruction_terms(pixels, target, perceptual, config)
    loss = terms.loss.mean()
    (gradient,) = torch.autograd.grad(loss, pixels)
    value = loss.detach()
    kl = kl_divergence(reconstruction.mean, reconstruction.log_variance).mean()
    realism, weight = torch.zeros_like(value), torch.zeros_like(value)
    # adversarial loss, down to the pixels, scaled to match
    if adversarial(step, config):
        if discriminator is None:
            raise ValueError(
                f"step {step} is adversarial (--loss.discriminator-start), but has no discriminator: give one"
            )
        assert reconstruction.features is not None  # gradients are on, or the reconstruction loss would have failed
        (logits,) = discriminator(pixels)
        realism = -logits.float().mean()
        (sum_gradient,) = torch.autograd.grad(-logits.float().sum(), pixels)  # the mean's may underflow in float16
        realism_gradient = sum_gradient / logits.numel()
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
    """Compute the hinge loss of the (wrapped) discriminator: (mean relu(1 - D(real)) + mean relu(1 + D(fake))) / 2.

    `real` and `fake` are (B, C, H, W) in [-1, 1]; no gradient flows back through `fake`.
    """
    real_logits, fake_logits = discriminator(real, fake.detach().float())
    real_logits, fake_logits = real_logits.float(), fake_logits.float()
    total = (functional.relu(1 - real_logits).mean() + functional.relu(1 + fake_logits).mean()) / 2
    return DiscriminatorLosses(total, real_logits.detach().mean(), fake_logits.detach().mean())


def adaptive_weight(features: Tensor, gradient: Tensor, other: Tensor, reduce: Reduce = alone) -> Tensor:
    """Return the factor that makes the adversarial gradient as large as the reconstruction's.

    ||dL_rec / dW|| / (||dL_adv / dW|| + 1e-4), at most 1e4, where W is the weight of the decoder's last convolution
    (Esser et al. 2021, equation 7). The gradient of W follows from the input of that convolution and the gradient of
    its output, without going through the autoencoder, and in float32 whatever precision that ran in.

    Gradients are averaged over workers before their norms are taken, so every worker gets the weight of the whole
    batch. Averaged norms, or each worker's own weight, would depend on how many workers share a batch.

    Args:
        features: (B, f, H, W), the input of the last convolution.
        gradient: (B, C, H, W), of the reconstruction loss with respect to the reconstructed pixels.
        other: (B, C, H, W), of the adversarial loss with respect to them.

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
    """A scalar whose value, and gradient with respect to `tensor`, are already known."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.dtype = tensor.dtype
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return (scale * gradient).to(ctx.dtype), None, None
