"""Training the U-Net from cached latents against encoding the pictures in every step, as public scripts do.

    python -m benchmarks.cached_latents [--steps 20] [--repeats 3] [--real 1]

The toy: the loop of a worker, without a cluster, on `latents/v1` and on the `rgbd/v1` that they were made of; the same
samples in the same order, and so the same losses. One torch thread each; fresh processes, in turns.

Stable Diffusion's size (`--real 1`) is an estimate from two parts: a 512 x 512 picture through the encoder, without
gradients, takes e seconds; the U-Net forward and backward on its latent takes u; so (e + u) / u. float32, batch 1,
random weights, all cores, the faster of two. What both sides do alike, the text encoder and the optimiser's share of a
sample, is left out; it would lower the ratio. Beside it is the same ratio of floating point operations, which says
what to expect of a device that does both kinds of work equally well.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.measure import Ratio, alone, arguments, save
from benchmarks.toy_training import LOOP, Toy, train
from ldm3d.models import stable_diffusion
from ldm3d.training.flops import count_flops

TURNS = 2


def real_size() -> dict[str, float]:
    """Seconds and operations of both parts at Stable Diffusion's size, and what they give."""
    seconds, operations = ({part: measured(part) for part in (encode, denoise)} for measured in (_seconds, _flops))
    return {
        "encode_s": seconds[encode],
        "unet_s": seconds[denoise],
        "ratio": 1 + seconds[encode] / seconds[denoise],
        "encode_tflop": operations[encode] / 1e12,
        "unet_tflop": operations[denoise] / 1e12,
        "ratio_of_operations": 1 + operations[encode] / operations[denoise],
    }


def encode() -> Callable[[], Any]:
    """A picture through the encoder."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    vae: Any = AutoencoderKL(**stable_diffusion.AUTOENCODER | {"in_channels": 6, "out_channels": 6})
    pixels = torch.zeros(1, 6, 512, 512)
    return torch.no_grad()(lambda: vae.encode(pixels).latent_dist.mean)


def denoise() -> Callable[[], Any]:
    """Its latent through the U-Net, and back."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    unet: Any = UNet2DConditionModel(**stable_diffusion.UNET)
    latent, timestep, text = torch.zeros(1, 4, 64, 64), torch.zeros(1), torch.zeros(1, 77, 768)
    return lambda: unet(latent, timestep, text).sample.square().mean().backward()


def _seconds(part: Callable[[], Callable[[], Any]]) -> float:
    """Of the fastest turn: the first one also allocates."""
    call, taken = part(), []
    for _ in range(TURNS):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _flops(part: Callable[[], Callable[[], Any]]) -> int:
    """Counted without computing."""
    with torch.device("meta"):
        return count_flops(part())[1]


def main() -> None:
    asked = arguments(__doc__, steps=20, repeats=3, real=1)
    turns: dict[str, list[dict[str, float]]] = {"cached": [], "encoding": []}
    with tempfile.TemporaryDirectory() as name:
        toy = Toy.make(Path(name), asked.steps)
        for turn in range(asked.repeats):
            for side in list(turns)[:: 1 if turn % 2 == 0 else -1]:
                turns[side].append(alone(train, getattr(toy, side), asked.steps)[0])
    record: dict[str, Any] = {"steps": asked.steps, "toy": {}}
    for per in ("per_cpu_s", "per_s"):
        cached, encoding = ([LOOP.batch_size * turn[per] for turn in found] for found in turns.values())
        ratio = Ratio.of(cached, encoding)
        record["toy"][per] = {"cached": median(cached), "encoding": median(encoding), "ratio": ratio}
        print(f"toy, samples {per}: {median(cached):.1f} / {median(encoding):.1f} = {ratio}", flush=True)
    if asked.real:
        real = alone(real_size)[0]
        print(f"Stable Diffusion: {real['encode_s']:.1f} s to encode, {real['unet_s']:.1f} s for the U-Net")
        print(f"  = {real['ratio']:.2f} by time, {real['ratio_of_operations']:.2f} by operations", flush=True)
        record["real_size"] = real
    save("cached_latents", record)


if __name__ == "__main__":
    main()
