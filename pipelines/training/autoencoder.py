"""The autoencoder's training on one worker: its networks, its step, its validation."""

from typing import Any

import torch
from torch import Tensor, distributed, nn

from ldm3d.config import AutoencoderConfig
from ldm3d.data.pictures import Pictures
from ldm3d.figures.contact_sheet import Sample, contact_sheet
from ldm3d.metrics.reconstruction import aligned, depth_l1, psnr, ssim
from ldm3d.models.base import load_autoencoder
from ldm3d.rgbd import DEPTH_MAX, from_tensor
from ldm3d.sampling.decode import pixel_factor
from ldm3d.training.autoencoder_step import DiscriminatorLosses, adversarial, discriminator_loss, generator_loss
from ldm3d.training.discriminator import PatchDiscriminator
from ldm3d.training.noise import Purpose, normal
from ldm3d.training.perceptual import Perceptual
from ldm3d.training.ranks import mean_over_ranks
from ldm3d.training.reconstruction import reconstruction_terms
from ldm3d.training.reconstructor import Reconstructor
from pipelines.training.batch import Batch
from pipelines.training.optimiser_step import gradients_kept, make_optimiser, make_state, precision_of, take_step
from pipelines.training.parallel import wrap
from pipelines.training.state import Trained
from pipelines.training.trainee import Validation
from pipelines.training.validation_rows import ValidationRows

SHOWN = 8  # validation rows in an epoch's picture


class AutoencoderTraining:
    """The autoencoder and its discriminator on one worker."""

    def __init__(
        self, config: AutoencoderConfig, total_steps: int, validation: ValidationRows[Pictures], device: torch.device
    ) -> None:
        self.config, self.validation, self.device = config, validation, device
        self.perceptual = _perceptual(config, device)
        reconstructor = Reconstructor(load_autoencoder(config.model)).to(device).train()
        if config.workers.gradient_checkpointing:
            reconstructor.vae.enable_gradient_checkpointing()
        trained = {"autoencoder": _trained(reconstructor, config, device)}
        self.discriminator: PatchDiscriminator | None = None
        if config.loss.adversarial_weight > 0:
            self.discriminator = synchronised(_discriminator(config).to(device), device)
            trained["discriminator"] = _trained(self.discriminator, config, device)
        self.reconstructor = reconstructor
        self.state = make_state(trained, config, total_steps, device)
        self.factor = pixel_factor(reconstructor.vae)

    def trains(self, step: int) -> list[str]:
        """Return the names of the networks that a step trains: both once the discriminator takes part."""
        return ["autoencoder", "discriminator"] if adversarial(step, self.config.loss) else ["autoencoder"]

    def step(self, batch: Batch[Pictures]) -> dict[str, Tensor]:
        """Take a step of both networks on one batch, in micro-batches of one size."""
        names = self.trains(batch.step)

        # gradients and numbers of micro-batches add up
        parts = batch.micro_batches(self.config.loop.micro_batch)
        sums: dict[str, Tensor] = {}
        for index, part in enumerate(parts):
            is_last = index == len(parts) - 1
            with gradients_kept({name: self.state.trained[name] for name in names}, kept=not is_last):
                for name, loss in self._accumulate(part, 1 / len(parts)).items():
                    sums[name] = sums.get(name, 0) + loss / len(parts)

        losses = [sums[name] for name in sums if name.startswith("loss/")]
        return sums | take_step(self.state, names, losses, batch.step, self.config.optimiser.max_grad_norm)

    def _accumulate(self, part: Batch[Pictures], share: float) -> dict[str, Tensor]:
        """Run forward and backward pass of a micro-batch, which is `share` of its step."""
        trained, config, scale = self.state.trained, self.config, share * self.state.scale.value
        pixels = part.data.to_tensor(config.model.channels, self.device)
        noise = normal(config.loop.seed, Purpose.POSTERIOR, part.positions.tolist(), self._latent_shape(pixels))
        with precision_of(config.loop, self.device):
            out = trained["autoencoder"].wrapped(pixels, noise.to(self.device))
            losses = generator_loss(
                out, pixels, self.perceptual, self.discriminator, part.step, config.loss, mean_over_ranks
            )
        (losses.total * scale).backward()
        numbers = {
            "loss/autoencoder": losses.total.detach(),
            "loss/reconstruction": losses.reconstruction,
            "loss/kl": losses.kl,
            "l1/rgb": losses.l1[:3].mean(),
            "l1/depth": losses.l1[-2] if config.model.channels == 6 else losses.l1[-1],
            "lpips/rgb": losses.perceptual_rgb,
            "lpips/depth": losses.perceptual_depth,
        }
        if adversarial(part.step, config.loss):
            hinge = self._discriminate(pixels, out.pixels, scale)
            numbers |= {
                "loss/discriminator": hinge.total.detach(),
                "loss/adversarial": losses.adversarial,
                "adversarial/weight": losses.adaptive_weight,
                "adversarial/real": hinge.real,
                "adversarial/fake": hinge.fake,
            }
        return numbers

    def _discriminate(self, pixels: Tensor, reconstruction: Tensor, scale: float) -> DiscriminatorLosses:
        """Run the discriminator's forward and backward pass on pictures and their reconstructions."""
        with precision_of(self.config.loop, self.device):
            hinge = discriminator_loss(self.state.trained["discriminator"].wrapped, pixels, reconstruction)
        (hinge.total * scale).backward()
        return hinge

    @torch.no_grad()
    def validate(self, epoch: int, *, is_last: bool) -> Validation:
        """Compare pictures with their reconstructions from the posterior's mean. Numbers are means over pictures."""
        self.reconstructor.eval()
        names, totals, shown = self._totals()
        self.reconstructor.train()
        *sums, count = mean_over_ranks(totals.to(self.device)).tolist()
        means = {name: total / count for name, total in zip(names, sums, strict=True)}
        picture = contact_sheet(shown, columns=4) if self.validation.is_first else None
        return Validation(means["reconstruction"], means, {"validation": picture} if picture else {})

    def _totals(self) -> tuple[list[str], Tensor, list[Sample]]:
        """Return names and sums of the numbers of this worker's pictures, with their count last; and some to show."""
        totals: Tensor | None = None
        names: list[str] = []
        shown: list[Sample] = []
        for pictures, counts in self.validation:
            pixels = pictures.to_tensor(self.config.model.channels, self.device)
            noise = torch.zeros(len(pixels), *self._latent_shape(pixels), device=self.device)
            with precision_of(self.config.loop, self.device):
                out = self.state.trained["autoencoder"].wrapped(pixels, noise).pixels.float()
            numbers = self._compare(pictures, pixels, out)
            names = list(numbers)
            each = torch.stack([*(value.double().cpu() for value in numbers.values()), torch.ones(len(pixels))], -1)
            totals = (0 if totals is None else totals) + each.sum(0) * counts
            if len(shown) < 2 * SHOWN:
                shown += _side_by_side(pictures, out, SHOWN - len(shown) // 2)
        assert totals is not None
        return names, totals, shown

    def _compare(self, pictures: Pictures, pixels: Tensor, out: Tensor) -> dict[str, Tensor]:
        """Return (B,) each: how far reconstructions are from pictures, with depth in [0, 1]."""
        image, depth = from_tensor(out)
        rgb, wanted = (each.to(self.device).movedim(-1, 1).double() / 255 for each in (image, pictures.image))
        unit, reference = (each.to(self.device).double() / DEPTH_MAX for each in (depth, pictures.depth))
        terms = reconstruction_terms(out, pixels, self.perceptual, self.config.loss)
        return {
            "reconstruction": terms.loss,
            "psnr_db": psnr(rgb, wanted, data_range=1),
            "ssim": ssim(rgb, wanted, data_range=1),
            "lpips": terms.perceptual_rgb,
            "depth_l1": depth_l1(unit, reference),
            "depth_l1_aligned": depth_l1(aligned(unit, reference), reference),
        }

    def _latent_shape(self, pixels: Tensor) -> tuple[int, int, int]:
        height, width = pixels.shape[-2:]
        return self.reconstructor.vae.config["latent_channels"], height // self.factor, width // self.factor


def _trained(network: nn.Module, config: AutoencoderConfig, device: torch.device) -> Trained:
    wrapped = wrap(network, config.workers, device)
    return Trained(network, wrapped, make_optimiser(network, config.optimiser))


def synchronised(network: nn.Module, device: torch.device) -> Any:
    """Return the network; on several GPUs its batch norms see the batch of all workers. CPUs do not support that."""
    if device.type != "cuda" or not distributed.is_initialized():
        return network
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)


def _discriminator(config: AutoencoderConfig) -> PatchDiscriminator:
    """Make the discriminator, with initial weights drawn from the seed."""
    loss = config.loss
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        return PatchDiscriminator(
            config.model.channels, loss.discriminator_filters, loss.discriminator_layers, loss.discriminator_norm
        )


def _perceptual(config: AutoencoderConfig, device: torch.device) -> Perceptual | None:
    wanted = config.loss.perceptual
    if wanted.rgb_weight == wanted.depth_weight == 0:
        return None
    return Perceptual(wanted.network, wanted.weights).to(device)


def _side_by_side(pictures: Pictures, out: Tensor, most: int) -> list[Sample]:
    """Return up to `most` pictures, each followed by its reconstruction."""
    image, depth = from_tensor(out.cpu())
    samples = []
    for index in range(min(most, len(out))):
        samples.append(Sample(pictures.image[index].numpy(), pictures.depth[index].numpy(), "input"))
        samples.append(Sample(image[index].numpy(), depth[index].numpy(), "reconstruction"))
    return samples
