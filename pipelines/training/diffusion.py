"""The U-Net's training on one worker: its networks, its step, its validation."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ldm3d.config import DiffusionConfig
from ldm3d.data.captioned import Captioned
from ldm3d.data.latents import Latents
from ldm3d.data.pictures import Pictures
from ldm3d.models.autoencoder import Posterior, encode
from ldm3d.models.base import load_text, load_unet
from ldm3d.models.text import EMPTY_CAPTION, tokenise
from ldm3d.models.text import encode as encode_text
from ldm3d.sampling import Prompts, text_to_rgbd
from ldm3d.sampling.sample_sheet import sample_sheet
from ldm3d.training.denoising import DenoisingDraws, denoising_loss, draw_latents, drop_captions
from ldm3d.training.ema import Ema
from ldm3d.training.noise_schedule import NoiseSchedule
from ldm3d.training.ranks import mean_over_ranks
from pipelines.training.batch import Batch
from pipelines.training.diffusion_start import DiffusionStart, drawing_scheduler_of, make_unet, scheduler_of
from pipelines.training.distillation import Distillation
from pipelines.training.optimiser_step import gradients_kept, make_optimiser, make_state, precision_of, take_step
from pipelines.training.parallel import wrap
from pipelines.training.state import Trained
from pipelines.training.trainee import Validation
from pipelines.training.validation_rows import ValidationRows

Samples = Captioned[Latents | Pictures]
UNET = "unet"


class DiffusionTraining:
    """The U-Net and its average on one worker, with the frozen autoencoder and text encoder."""

    def __init__(
        self,
        config: DiffusionConfig,
        start: DiffusionStart,
        total_steps: int,
        validation: ValidationRows[Samples],
        device: torch.device,
    ) -> None:
        self.config, self.start, self.validation, self.device = config, start, validation, device
        self.vae = _frozen(start.vae, device)
        self.schedule = NoiseSchedule.of(scheduler_of(config, start.model)).to(device)
        text_encoder, self.tokenizer = load_text(start.model)
        self.text_encoder: Any = _frozen(text_encoder, device)
        self.empty, self.shown = self._text([EMPTY_CAPTION]), self._text(list(start.captions or [EMPTY_CAPTION]))
        if start.text_is_stored:
            self.text_encoder = None  # to free its memory
        unet: Any = make_unet(config, start)
        self.unet = unet.to(device).train()
        if config.workers.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        wrapped = wrap(self.unet, config.workers, device)
        average = Ema(self.unet, config.ema) if config.ema.decay > 0 else None
        trained = Trained(self.unet, wrapped, make_optimiser(self.unet, config.optimiser), average)
        self.state = make_state({UNET: trained}, config, total_steps, device)
        self.distillation: Distillation | None = None
        if config.distill.teacher is not None:
            teacher = _frozen(load_unet(start.model), device)
            self.distillation = Distillation(config, teacher, self.schedule, self.empty, device)

    def trains(self, step: int) -> list[str]:
        """Return the name of the U-Net."""
        return [UNET]

    def step(self, batch: Batch[Samples]) -> dict[str, Tensor]:
        """Take a step on one batch, in micro-batches of one size."""
        trained, config = self.state.trained[UNET], self.config

        # gradients and losses of micro-batches add up
        parts = batch.micro_batches(config.loop.micro_batch)
        total = torch.zeros((), device=self.device)
        for index, part in enumerate(parts):
            with gradients_kept({UNET: trained}, kept=index < len(parts) - 1):
                losses = self._losses(trained.wrapped, part.data, part.positions.tolist(), config.loss.caption_dropout)
                loss = losses.mean() / len(parts)
                (loss * self.state.scale.value).backward()
            total += loss.detach()

        stepped = take_step(self.state, [UNET], [total], batch.step, config.optimiser.max_grad_norm)
        return {"loss/diffusion": total} | stepped

    @torch.no_grad()
    def validate(self, epoch: int, *, is_last: bool) -> Validation:
        """Measure the loss of the averaged weights, with the same noise and timesteps every time; draw samples."""
        trained = self.state.trained[UNET]
        sums = torch.zeros(2, dtype=torch.float64)
        self.unet.eval()
        with trained.weights_to_use():
            for samples, counts in self.validation:
                losses = self._losses(self.unet, samples, samples.keys.tolist(), caption_dropout=0)
                sums += counts * torch.stack([losses.double().sum().cpu(), torch.tensor(len(losses)).double()])
            pictures = self._samples() if is_last or epoch % self.config.samples.every_epochs == 0 else {}
        self.unet.train()
        loss, count = mean_over_ranks(sums.to(self.device)).tolist()
        return Validation(loss / count, {"loss": loss / count}, pictures)

    def _losses(self, unet: Any, samples: Samples, positions: list[int], caption_dropout: float) -> Tensor:
        """Return the loss of each sample, (B,). What is random about a sample is a function of its position."""
        config, distillation = self.config, self.distillation
        posterior = self._posterior(samples.content)
        shape = posterior.mean.shape
        noise_levels = len(distillation.solver if distillation else self.schedule)
        draws = DenoisingDraws.of(
            positions, (shape[1], shape[2], shape[3]), noise_levels, config.loss, config.loop.seed
        ).to(self.device)
        latents = draw_latents(*posterior, draws.posterior, self.vae.config["scaling_factor"])
        text = self._text(samples.captions) if samples.text is None else samples.text.to(self.device).float()
        if distillation:
            return distillation.losses(self.state.trained[UNET], unet, latents, text, draws)
        text = drop_captions(text, self.empty, draws.captions, caption_dropout)
        with precision_of(config.loop, self.device):
            return denoising_loss(unet, latents, text, draws.noise, draws.timesteps, self.schedule, config.loss)

    @torch.no_grad()
    def _posterior(self, content: Latents | Pictures) -> Posterior:
        if isinstance(content, Latents):
            return Posterior(content.mean.to(self.device), content.std.to(self.device))
        with precision_of(self.config.loop, self.device):
            return encode(self.vae, content.to_tensor(self.start.model.channels, self.device))

    @torch.no_grad()
    def _text(self, captions: list[str]) -> Tensor:
        """Encode captions: (B, L, D) float32."""
        # the empty caption goes with stored captions, which were encoded in full precision
        exact = self.start.text_is_stored
        with nullcontext() if exact else precision_of(self.config.loop, self.device):
            return encode_text(self.text_encoder, tokenise(self.tokenizer, captions)).float()

    def _samples(self) -> dict[str, bytes]:
        """Draw samples for people to look at. Every worker has to call it: sharded weights are gathered from all."""
        captions, drawing = list(self.start.captions), self.config.shown
        if not captions:
            return {}
        scheduler = drawing_scheduler_of(self.config, self.start.model)
        model = SimpleNamespace(unet=self.unet, vae=self.vae, scheduler=scheduler)
        prompts = Prompts(captions, self.shown, self.empty, range(len(captions)))
        with precision_of(self.config.loop, self.device):
            samples = text_to_rgbd(model, prompts, drawing)
        title = f"guidance scale {drawing.guidance_scale:g}, {drawing.num_inference_steps} steps"
        return {"samples": sample_sheet(samples, title)} if self.validation.is_first else {}


def _frozen(network: Any, device: torch.device) -> Any:
    return network.to(device).eval().requires_grad_(False)
