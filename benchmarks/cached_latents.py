"""Training the U-Net on cached latents against encoding pictures in every step, as public scripts do.

    python -m benchmarks.cached_latents [--steps 20] [--repeats 3] [--real 1]

The toy: a worker's loop, without a cluster, on `latents/v1` and on the `rgbd/v1` they were made from, with the same
samples in the same order, and so the same losses. One torch thread each; fresh processes, in turns.

Stable Diffusion's size (`--real 1`) is estimated from two parts: encoding a 512 x 512 picture, without gradients, in e
seconds, and the U-Net forward and backward on its latent, in u; the ratio is (e + u) / u. float32, batch 1, random
weights, all cores, the faster of two. It leaves out what both sides do, the text encoder and the optimiser's share of
a sample, which would lower the ratio. The same ratio of floating-point operations tells what to expect from a device
that is equally good at both kinds of work.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.measure import RATES, Ratio, alone, arguments, in_turns, save, timed
from benchmarks.toy_training import LOOP, Toy, train
from ldm3d.models import stable_diffusion
from ldm3d.training.flops import count_flops

TURNS = 2


def real_size() -> dict[str, float]:
    """Measure seconds and operations of both parts at Stable Diffusion's size, and the ratios from them."""
    encode_s, unet_s = _seconds(encode), _seconds(denoise)
    encode_flop, unet_flop = _flops(encode), _flops(denoise)
    return {
        "encode_s": encode_s,
        "unet_s": unet_s,
        "ratio": 1 + encode_s / unet_s,
        "encode_tflop": encode_flop / 1e12,
        "unet_tflop": unet_flop / 1e12,
        "ratio_of_operations": 1 + encode_flop / unet_flop,
    }


def encode() -> Callable[[], Any]:
    """Return a call that encodes a picture."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    vae: Any = AutoencoderKL(**stable_diffusion.AUTOENCODER | {"in_channels": 6, "out_channels": 6})
    pixels = torch.zeros(1, 6, 512, 512)
    return torch.no_grad()(lambda: vae.encode(pixels).latent_dist.mean)


def denoise() -> Callable[[], Any]:
    """Return a call that runs the U-Net forward and backward on a latent."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    unet: Any = UNet2DConditionModel(**stable_diffusion.UNET)
    latent, timestep, text = torch.zeros(1, 4, 64, 64), torch.zeros(1), torch.zeros(1, 77, 768)
    return lambda: unet(latent, timestep, text).sample.square().mean().backward()


def _seconds(part: Callable[[], Callable[[], Any]]) -> float:
    """Return the seconds of the fastest turn: the first one also allocates."""
    call = part()
    return min(timed(call)[0] for _ in range(TURNS))


def _flops(part: Callable[[], Callable[[], Any]]) -> int:
    """Count operations without computing."""
    with torch.device("meta"):
        return count_flops(part())[1]


def main() -> None:
    asked = arguments(__doc__, steps=20, repeats=3, real=1)
    with tempfile.TemporaryDirectory() as name:
        toy = Toy.make(Path(name), asked.steps)
        sides = {side: partial(alone, train, getattr(toy, side), asked.steps) for side in ("cached", "encoding")}
        turns = in_turns(sides, asked.repeats)
    record: dict[str, Any] = {"steps": asked.steps, "toy": {}}
    for per in RATES:
        cached, encoding = ([LOOP.batch_size * turn[per] for turn in found] for found in turns.values())
        ratio = Ratio.of(cached, encoding)
        record["toy"][per] = {"cached": median(cached), "encoding": median(encoding), "ratio": ratio}
        print(f"toy, samples {per}: {median(cached):.1f} / {median(encoding):.1f} = {ratio}", flush=True)
    if asked.real:
        real = alone(real_size)
        print(f"Stable Diffusion: {real['encode_s']:.1f} s to encode, {real['unet_s']:.1f} s for the U-Net")
        print(f"  = {real['ratio']:.2f} by time, {real['ratio_of_operations']:.2f} by operations", flush=True)
        record["real_size"] = real
    save("cached_latents", record)


if __name__ == "__main__":
    main()
