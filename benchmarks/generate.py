"""Our pipeline against diffusers' own StableDiffusionPipeline: the same weights, captions, seeds, steps and guidance.

    python -m benchmarks.generate [--images 8] [--steps 10] [--repeats 2]

diffusers draws pictures one by one, as its users call it. Ours draws them one by one and in batches, and in bfloat16
batches if the CPU has instructions for it. Weights are random: the toy model of 32 x 32 pixels, and a larger one of
128 x 128, in which the networks take most of the time. Theirs decodes six channels like ours, but does not make depth
from them. One torch thread each; fresh processes, in turns.
"""

import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import alone, arguments, in_turns, medians, ratios, save
from ldm3d.config import ModelConfig
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.toy.diffusion_model import make_base_model
from ldm3d.toy.scenes import Scene

GUIDANCE = 5.0
BATCH = 4
RATES = ("per_s", "per_cpu_s")
ALIKE = 0.01  # share of RGB values that may differ by one level, by rounding


def captions(count: int) -> list[str]:
    return [Scene.from_seed(seed).caption for seed in range(count)]


def diffusers(folder: str, images: int, steps: int) -> dict[str, Any]:
    """Draw with diffusers. Returns images per second and CPU-second, and the (N, H, W, 3) uint8 RGB images."""
    from diffusers import StableDiffusionPipeline

    torch.set_num_threads(1)
    pipeline: Any = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)

    def draw(prompts: list[str], steps: int) -> np.ndarray[Any, Any]:
        settings: dict[str, Any] = {"num_inference_steps": steps, "guidance_scale": GUIDANCE, "output_type": "np"}
        drawn = [
            pipeline(prompt, generator=torch.Generator().manual_seed(seed), **settings).images[0, ..., :3]
            for seed, prompt in enumerate(prompts)
        ]
        return (np.stack(drawn) * 255).round().astype(np.uint8)

    return _timed(draw, images, steps)


def ours(folder: str, images: int, steps: int, batch: int, dtype: str) -> dict[str, Any]:
    """Draw with our pipeline. Returns the same as `diffusers`."""
    torch.set_num_threads(1)
    pipeline = RgbdPipeline.from_pretrained(folder, dtype=getattr(torch, dtype))

    def draw(prompts: list[str], steps: int) -> np.ndarray[Any, Any]:
        settings: dict[str, Any] = {"num_inference_steps": steps, "guidance_scale": GUIDANCE, "output_type": "np"}
        drawn: np.ndarray[Any, Any] = pipeline(prompts, seed=0, batch_size=batch, **settings).images
        return drawn

    return _timed(draw, images, steps)


def _timed(draw: Any, images: int, steps: int) -> dict[str, Any]:
    draw(captions(1), 2)  # the first call costs more
    wall, cpu = time.perf_counter(), time.process_time()
    drawn = draw(captions(images), steps)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"per_s": images / wall, "per_cpu_s": images / cpu, "images": drawn}


def make_models(folder: Path) -> dict[str, str]:
    """Save a model with random weights for each case. Returns case -> folder."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    make_base_model(folder / "base")
    toy = load_base(ModelConfig(base=str(folder / "base")))
    save_pipeline(folder / "toy", toy)
    torch.manual_seed(0)
    wide = {"sample_size": 16, "block_out_channels": (128, 256, 512), "layers_per_block": 2, "norm_num_groups": 32}
    blocks = {
        "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 2,
    }
    unet = UNet2DConditionModel.from_config({**toy.unet.config, **blocks, **wide, "attention_head_dim": 8})
    deep = {
        "sample_size": 128,
        "block_out_channels": (64, 64, 128, 128),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    vae = AutoencoderKL.from_config({**toy.vae.config, **deep})
    save_pipeline(folder / "larger", replace(toy, unet=unet, vae=vae))
    return {"toy, 32 x 32": str(folder / "toy"), "larger, 128 x 128": str(folder / "larger")}


def measure(case: str, folder: str, images: int, steps: int, repeats: int) -> dict[str, Any]:
    """Measure all sides in turns.

    Raises:
        RuntimeError: drawn one by one in float32, pictures differ from those of diffusers.
    """
    drawn = folder, images, steps
    sides: dict[str, tuple[Any, ...]] = {
        "diffusers": (diffusers, *drawn),
        "one by one": (ours, *drawn, 1, "float32"),
        "batched": (ours, *drawn, BATCH, "float32"),
    }
    if has_bfloat16():
        sides["batched, bfloat16"] = (ours, *drawn, BATCH, "bfloat16")
    turns = in_turns({side: partial(alone, *called) for side, called in sides.items()}, repeats)
    expected = turns["diffusers"][0]["images"]
    off = {side: np.abs(found[0]["images"].astype(int) - expected) for side, found in turns.items()}
    if off["one by one"].max() > 1 or (off["one by one"] > 0).mean() > ALIKE:
        raise RuntimeError(f"{case}: pictures differ from those of diffusers by {off['one by one'].max()} levels")
    rates = {side: medians([{name: turn[name] for name in RATES} for turn in found]) for side, found in turns.items()}
    peers = turns.pop("diffusers")
    return {
        "case": case,
        "images": images,
        "steps": steps,
        "rates": rates,
        "ratio": {side: ratios(found, peers, RATES) for side, found in turns.items()},
        "mean_levels_off": {side: float(levels.mean()) for side, levels in off.items()},
    }


def has_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16; without them it is slower than float32."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text()


def main() -> None:
    asked = arguments(__doc__, images=8, steps=10, repeats=2)
    records = []
    with tempfile.TemporaryDirectory() as name:
        for case, folder in make_models(Path(name)).items():
            record = measure(case, folder, asked.images, asked.steps, asked.repeats)
            records.append(record)
            print(f"{case}: {asked.images} images of {asked.steps} steps")
            for side, found in record["ratio"].items():
                for rate, ratio in found.items():
                    mine, theirs = record["rates"][side][rate], record["rates"]["diffusers"][rate]
                    print(f"  {side:18} {rate:10} {mine:7.3f} / {theirs:7.3f} = {ratio}", flush=True)
    save("generate", {"cases": records})


if __name__ == "__main__":
    main()
