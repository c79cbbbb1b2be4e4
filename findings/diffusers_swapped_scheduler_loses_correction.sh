#!/usr/bin/env bash
# Expected: StableDiffusionPipeline corrects the scheduler of an old checkpoint (steps_offset 0 to 1, clip_sample True
# to False) in `pipeline.scheduler.config`, with a warning for each; a scheduler made from that config, which is the
# documented way to swap schedulers, has the corrected values.
# Happens: the new scheduler has the wrong ones again, without a word, although the config that it was made from prints
# the right ones. The config also remembers which keys were never given, and `from_config` skips all of those. A
# checkpoint that spells out the wrong values keeps the correction.
# Why it matters: old Stable Diffusion checkpoints are where RGBD models start. In a comparison of samplers, the one
# swapped in visits other timesteps (900, not 901) and may clip the clean latents that it predicts to [-1, 1], which
# costs colour and depth their range: the scores compare settings, not samplers.
# Pass steps_offset=1 and clip_sample=False to `from_config` beside the config.
set -euo pipefail
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -I -m pip install -qq diffusers==0.42.1 transformers==5.23.0 torch==2.13.0 numpy==2.4.6
HF_HOME=$venv/hf HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error nice -n 10 "$venv/bin/python" -I - <<'EOF'
import sys
import warnings

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel

warnings.simplefilter("ignore")
diffusers.logging.set_verbosity_error()
print(f"diffusers {diffusers.__version__}, torch {torch.__version__}")
unet = UNet2DConditionModel(
    sample_size=64, block_out_channels=(8,), norm_num_groups=4, cross_attention_dim=8, attention_head_dim=2,
    down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",),
)
vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4)
rest = dict.fromkeys(["text_encoder", "tokenizer", "safety_checker", "feature_extractor"])


def swapped(**config):
    old = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **config)
    pipeline = StableDiffusionPipeline(vae=vae, unet=unet, scheduler=old, requires_safety_checker=False, **rest)
    return pipeline.scheduler.config


def describe(name, config):
    values = config.steps_offset, config.clip_sample
    print(f"{name:46} steps_offset {values[0]}, clip_sample {values[1]}")
    return values


silent, spelt_out = swapped(), swapped(steps_offset=0, clip_sample=True)
passed = DDPMScheduler.from_config(silent, steps_offset=1, clip_sample=False)
right = [
    describe("the pipeline's config", silent),
    describe("swapped, checkpoint that spells them out", DDPMScheduler.from_config(spelt_out).config),
    describe("swapped, values passed beside the config", passed.config),
]
print("guess for the next one: steps_offset 1, clip_sample False")
wrong = describe("swapped, checkpoint that leaves them out", DDPMScheduler.from_config(silent).config)
if right != [(1, False)] * 3 or wrong != (0, True):
    sys.exit("CHANGED: the correction is no longer lost, or no longer made")
print("as stated: a swapped scheduler loses the pipeline's correction")
EOF
