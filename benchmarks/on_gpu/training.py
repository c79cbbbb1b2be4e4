"""A step of the U-Net's training: ours against one written like diffusers' own training script."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.on_gpu.rates import compare, device, half
from benchmarks.on_gpu.sizes import Sizes
from ldm3d.config import DenoisingLossConfig, EmaConfig
from ldm3d.models.stable_diffusion import SCHEDULER
from ldm3d.training.denoising import DenoisingDraws, denoising_loss
from ldm3d.training.ema import Ema
from ldm3d.training.flops import count_flops, peak_flops
from ldm3d.training.noise_schedule import NoiseSchedule

RATE, CLIP = 1e-5, 1.0


def measure(sizes: Sizes, seconds: float, turns: int) -> dict[str, Any]:
    """Train on random latents and text. Returns samples per second, and of each side the model FLOPs utilisation."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    latents = torch.randn(sizes.batch, *sizes.latent_shape, device=device())
    length, width = sizes.text["max_position_embeddings"], sizes.text["hidden_size"]
    text = torch.randn(sizes.batch, length, width, device=device())
    first, second = (UNet2DConditionModel(**sizes.unet).to(device()).train() for _ in range(2))
    ours, theirs = Ours(first, latents, text), Diffusers(second, latents, text)
    _, flops = count_flops(ours)
    sides = {"ours": (ours, sizes.batch), "diffusers": (theirs, sizes.batch)}
    found = compare(sides, "diffusers", seconds, turns)
    peak = peak_flops(device())
    if peak:
        found["mfu"] = {side: rate / sizes.batch * flops / peak for side, rate in found["per_s"].items()}
    return found


class Ours:
    """Our step: noise by position, a fused Adam, and the average of the weights in one kernel."""

    def __init__(self, unet: Any, latents: Tensor, text: Tensor) -> None:
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        self.unet, self.latents, self.text, self.config = unet, latents, text, DenoisingLossConfig()
        self.schedule = NoiseSchedule.of(DDIMScheduler(**SCHEDULER)).to(latents.device)
        self.optimiser = torch.optim.Adam(unet.parameters(), RATE, fused=latents.device.type == "cuda")
        self.average = Ema(unet, EmaConfig())
        self.position = 0

    def __call__(self) -> Tensor:
        positions = range(self.position, self.position + len(self.latents))
        self.position += len(self.latents)
        _, channels, height, width = self.latents.shape
        draws = DenoisingDraws.of(positions, (channels, height, width), len(self.schedule), self.config, seed=0)
        draws = draws.to(self.latents.device)
        with torch.autocast(self.latents.device.type, torch.bfloat16, enabled=half() != torch.float32):
            drawn = draws.noise, draws.timesteps
            loss = denoising_loss(self.unet, self.latents, self.text, *drawn, self.schedule, self.config).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.unet.parameters(), CLIP)
        self.optimiser.step()
        self.average.update(self.unet)
        self.optimiser.zero_grad(set_to_none=True)
        return loss.detach()


class Diffusers:
    """The step of diffusers' example: torch's noise, AdamW, and diffusers' average of the weights."""

    def __init__(self, unet: Any, latents: Tensor, text: Tensor) -> None:
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
        from diffusers.training_utils import EMAModel

        settings = {name: value for name, value in SCHEDULER.items() if name not in ("set_alpha_to_one",)}
        self.unet, self.latents, self.text, self.schedule = unet, latents, text, DDPMScheduler(**settings)
        self.optimiser = torch.optim.AdamW(unet.parameters(), RATE)
        self.average = EMAModel(unet.parameters())

    def __call__(self) -> Tensor:
        noise = torch.randn_like(self.latents)
        timesteps = torch.randint(0, 1_000, (len(self.latents),), device=self.latents.device)
        noisy = self.schedule.add_noise(self.latents, noise, timesteps)
        with torch.autocast(self.latents.device.type, torch.bfloat16, enabled=half() != torch.float32):
            predicted = self.unet(noisy, timesteps, self.text, return_dict=False)[0]
        loss = functional.mse_loss(predicted.float(), noise.float())
        loss.backward()
        nn.utils.clip_grad_norm_(self.unet.parameters(), CLIP)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.average.step(self.unet.parameters())
        return loss.detach()
