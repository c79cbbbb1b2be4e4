"""A model of the real architecture with random weights that draws pictures of 8 x 8 pixels in milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

from ldm3d.sampling import Prompts, Sample


@dataclass
class Parts:
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DDIMScheduler


def parts(latent_channels: int = 4, pixel_channels: int = 6, sample_size: object = 4) -> Parts:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=sample_size,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        in_channels=pixel_channels,
        out_channels=pixel_channels,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        block_out_channels=[8, 8],
        latent_channels=latent_channels,
        norm_num_groups=4,
    )
    plan = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    return Parts(unet.eval(), vae.eval(), plan)


def texts() -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of five captions, and of the empty caption."""
    numbers = torch.randn(6, 5, 16, generator=torch.Generator().manual_seed(9))
    return numbers[1:], numbers[:1]


def prompts_of(captions: Sequence[str], seeds: Sequence[int], rows: Sequence[int] | None = None) -> Prompts:
    """Captions with the embeddings `rows`, by default the first ones."""
    text, empty = texts()
    return Prompts(captions, text[list(range(len(captions)) if rows is None else rows)], empty, seeds)


def assert_same(ours: list[Sample], theirs: list[Sample]) -> None:
    assert [(sample.prompt, sample.seed) for sample in ours] == [(sample.prompt, sample.seed) for sample in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine.image, other.image)
        np.testing.assert_array_equal(mine.depth, other.depth)
