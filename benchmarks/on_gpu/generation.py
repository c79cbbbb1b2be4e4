"""Pictures drawn: our pipeline, one by one and in batches, against diffusers' own."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.on_gpu.rates import compare, device, half
from benchmarks.on_gpu.sizes import Sizes
from ldm3d.models.checkpoint import Components
from ldm3d.models.stable_diffusion import SCHEDULER
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.toy.diffusion_model import make_tokenizer, scene_words
from ldm3d.toy.scenes import Scene

GUIDANCE = 5.0
ALIKE = 4.0  # mean difference of RGB, in levels of 255: half precision, and theirs decodes in it


def measure(sizes: Sizes, seconds: float, turns: int) -> dict[str, Any]:
    """Draw captions of scenes with random weights. Returns pictures per second.

    Raises:
        RuntimeError: pictures drawn one by one differ from those of diffusers.
    """
    from diffusers import StableDiffusionPipeline

    made = _components(sizes)
    ours = RgbdPipeline(made).to(device(), half())
    parts: Any = {**vars(made), "safety_checker": None, "feature_extractor": None}
    theirs: Any = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    theirs.set_progress_bar_config(disable=True)
    prompts = [Scene.from_seed(seed).caption for seed in range(sizes.batch)]
    settings: dict[str, Any] = {"num_inference_steps": sizes.steps, "guidance_scale": GUIDANCE, "output_type": "np"}

    def diffusers_one() -> NDArray[np.float32]:
        generator = torch.Generator().manual_seed(0)
        drawn: NDArray[np.float32] = theirs(prompts[0], generator=generator, **settings).images[0, ..., :3]
        return drawn

    difference = np.abs(ours(prompts[0], seed=0, **settings).images[0] - diffusers_one() * 255.0).mean()
    if difference > ALIKE:
        raise RuntimeError(f"pictures differ from those of diffusers by {difference:.1f} levels on average")
    sides = {
        "one by one": (lambda: ours(prompts[0], seed=0, **settings), 1),
        "batched": (lambda: ours(prompts, seed=0, **settings), sizes.batch),
        "diffusers": (diffusers_one, 1),
    }
    return compare(sides, "diffusers", seconds, turns)


def _components(sizes: Sizes) -> Components:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    tokenizer = make_tokenizer(scene_words(), sizes.text["max_position_embeddings"])
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    text: Any = CLIPTextModel(CLIPTextConfig(vocab_size=len(tokenizer), **sizes.text, **special))
    vae: Any = AutoencoderKL(**sizes.autoencoder | {"in_channels": 6, "out_channels": 6})
    unet: Any = UNet2DConditionModel(**sizes.unet)
    return Components(vae.eval(), unet.eval(), text.eval(), tokenizer, DDIMScheduler(**SCHEDULER))
