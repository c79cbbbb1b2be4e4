"""Our training loop against a bare PyTorch loop: the same networks, batches and losses.

    python -m benchmarks.training_step [--steps 20] [--repeats 2]

Ours is a worker's loop, without a cluster: batches read and decoded from parquet, noise by position, the guard and its
norms, a log line every ten steps. The bare loop has the same batches in memory, captions as tokens and pictures as
float tensors; its losses are written as in public training code; its noise and Adam are torch's, and the U-Net has a
moving average. Checkpoints and validation are left out. One torch thread each; fresh processes, in turns.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.measure import alone, arguments, in_turns, medians, ratios, save
from benchmarks.toy_training import WARM_UP, Config, Toy, train, training_of
from ldm3d.config import AutoencoderConfig, DiffusionConfig, ModelConfig
from ldm3d.models.base import load_autoencoder, load_base
from ldm3d.models.text import tokenise
from ldm3d.training.discriminator import PatchDiscriminator
from ldm3d.training.perceptual import Perceptual
from pipelines.training.reader import BatchReader

ALIKE = 0.1  # relative difference allowed between the mean losses: the sides draw different noise
NEVER = 10**9


def bare(config: Config, steps: int) -> dict[str, float]:
    """Run the bare loop. Returns the same as `toy_training.train`, without `data_wait`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    prepare, step = _diffusion(config) if isinstance(config, DiffusionConfig) else _autoencoder(config)
    job = training_of(config).job
    reader = BatchReader(job.data.train, job.data.order, job.decode, start=0, stop=WARM_UP + steps)
    batches = [prepare(batch.data) for batch in reader]
    for batch in batches[:WARM_UP]:
        step(*batch)
    wall, cpu = time.perf_counter(), time.process_time()
    losses = [step(*batch) for batch in batches[WARM_UP:]]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"per_s": steps / wall, "per_cpu_s": steps / cpu, "loss": torch.stack(losses).mean().item()}


def _diffusion(config: DiffusionConfig) -> tuple[Callable[[Any], Any], Callable[..., Tensor]]:
    """Return functions that prepare a batch in memory, and take a step on it with equation 2."""
    base: Any = load_base(ModelConfig(base=config.model.base))
    unet, average = base.unet.train(), [weight.detach().clone() for weight in base.unet.parameters()]
    optimiser = torch.optim.Adam(unet.parameters(), config.optimiser.learning_rate, config.optimiser.betas)
    with torch.no_grad():
        empty = base.text_encoder(tokenise(base.tokenizer, [""])).last_hidden_state

    def prepare(samples: Any) -> tuple[Tensor, Tensor, Tensor]:
        latents = samples.content
        return latents.mean.float(), latents.std.float(), tokenise(base.tokenizer, samples.captions)

    def step(mean: Tensor, std: Tensor, ids: Tensor) -> Tensor:
        latents = (mean + std * torch.randn_like(mean)) * base.vae.config["scaling_factor"]
        noise, timesteps = torch.randn_like(latents), torch.randint(0, 1_000, (len(latents),))
        with torch.no_grad():
            text = base.text_encoder(ids).last_hidden_state
        text = torch.where((torch.rand(len(text)) < config.loss.caption_dropout)[:, None, None], empty, text)
        noisy = base.scheduler.add_noise(latents, noise, timesteps)
        loss = functional.mse_loss(unet(noisy, timesteps, text).sample, noise)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            for mine, weight in zip(average, unet.parameters(), strict=True):
                mine.lerp_(weight, 1 - config.ema.decay)
        return loss.detach()

    return prepare, step


def _autoencoder(config: AutoencoderConfig) -> tuple[Callable[[Any], Any], Callable[..., Tensor]]:
    """Return functions that prepare a batch in memory, and take a step on it with latent diffusion's equation 1."""
    vae: Any = load_autoencoder(config.model).train()
    perceptual = Perceptual(config.loss.perceptual.network, config.loss.perceptual.weights)  # LPIPS without warnings
    discriminator = PatchDiscriminator(6, config.loss.discriminator_filters, config.loss.discriminator_layers, "group")
    networks, rate, betas = (vae, discriminator), config.optimiser.learning_rate, config.optimiser.betas
    optimisers = [torch.optim.Adam(network.parameters(), rate, betas) for network in networks]
    last = vae.decoder.conv_out.weight
    is_adversarial = config.loss.discriminator_start == 0

    def prepare(pictures: Any) -> tuple[Tensor]:
        return (pictures.to_tensor(6),)

    def step(pixels: Tensor) -> Tensor:
        posterior = vae.encode(pixels).latent_dist
        out = vae.decode(posterior.sample()).sample
        distance = perceptual(out[:, :3], pixels[:, :3]) + perceptual(out[:, 3:], pixels[:, 3:])
        area = pixels.shape[-1] * pixels.shape[-2]
        reconstruction: Tensor = ((out - pixels).abs().flatten(1).sum(1) + 3 * area * distance).mean()
        loss = reconstruction + config.loss.kl_weight * posterior.kl().mean()
        if is_adversarial:
            realism = -discriminator(out)[0].mean()
            pull, push = (
                torch.autograd.grad(term, last, retain_graph=True)[0].norm() for term in (reconstruction, realism)
            )
            weight = (pull / (push + 1e-4)).clamp(max=1e4).detach()
            loss = loss + config.loss.adversarial_weight * weight * realism
        loss.backward()
        if is_adversarial:
            optimisers[1].zero_grad()
            real, fake = discriminator(pixels, out.detach())
            (((1 - real).relu().mean() + (1 + fake).relu().mean()) / 2).backward()
            optimisers[1].step()
        optimisers[0].step()
        optimisers[0].zero_grad()
        return reconstruction.detach()

    return prepare, step


def measure(case: str, config: Config, steps: int, repeats: int) -> dict[str, Any]:
    """Measure both sides in turns.

    Raises:
        RuntimeError: their losses differ, so they do not do the same.
    """
    sides = {"ours": partial(alone, train, config, steps), "bare": partial(alone, bare, config, steps)}
    turns = in_turns(sides, repeats)
    middle = {side: medians(found) for side, found in turns.items()}
    ours, peer = (each["loss"] for each in middle.values())
    if abs(ours / peer - 1) > ALIKE:
        raise RuntimeError(f"{case}: the loss is {ours:.4g} in our loop and {peer:.4g} in the bare one")
    return {"case": case, "steps": steps, "ratio": ratios(turns["ours"], turns["bare"]), **middle}


def main() -> None:
    asked = arguments(__doc__, steps=20, repeats=2)
    records = []
    with tempfile.TemporaryDirectory() as name:
        toy = Toy.make(Path(name), asked.steps)
        without = replace(toy.autoencoder, loss=replace(toy.autoencoder.loss, discriminator_start=NEVER))
        cases: dict[str, Config] = {
            "autoencoder": without,
            "autoencoder, adversarial": toy.autoencoder,
            "U-Net from latents": toy.cached,
        }
        for case, config in cases.items():
            record = measure(case, config, asked.steps, asked.repeats)
            records.append(record)
            print(f"{case}: waits for data {record['ours']['data_wait']:.2%} of the time")
            for rate, ratio in record["ratio"].items():
                print(f"  {rate:10} {record['ours'][rate]:6.2f} / {record['bare'][rate]:6.2f} = {ratio}", flush=True)
    save("training_step", {"cases": records})


if __name__ == "__main__":
    main()
