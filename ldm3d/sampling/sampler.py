"""A model as a configuration wants it sampled."""

from collections.abc import Sequence
from typing import Any

import torch

from ldm3d.config import SamplingConfig, SamplingPoint
from ldm3d.models.precision import Precision, dtype_of
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.samples import Sample
from ldm3d.sampling.text_to_rgbd import text_to_rgbd

SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "dpmpp": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "unipc": "UniPCMultistepScheduler",
}


class Sampler:
    """A model on one device, the GPU where there is one.

    Every batch has the full size, and every caption is encoded by itself: a sample depends on its own caption and seed
    alone, to the bit (see `text_to_rgbd`).
    """

    def __init__(self, pipeline: RgbdPipeline, config: SamplingConfig, precision: Precision) -> None:
        """`pipeline`: becomes this sampler's, is moved, and gets another scheduler."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.pipeline = pipeline.to(device, dtype_of(precision, device))
        self.pipeline.scheduler = scheduler_of(config.scheduler, pipeline.scheduler)
        self.config = config

    def __call__(self, captions: Sequence[str], seeds: Sequence[int], point: SamplingPoint) -> list[Sample]:
        """A sample for each of N captions and seeds, in their order.

        Raises:
            ValueError: settings do not go together, or not with the model.
        """
        settings, embeddings = self.config, self.pipeline.embeddings
        return text_to_rgbd(
            self.pipeline,
            captions,
            embeddings(captions),
            embeddings([settings.negative_prompt]),
            seeds,
            height=settings.height,
            width=settings.width,
            batch_size=settings.batch_size,
            num_inference_steps=point.num_inference_steps,
            guidance_scale=point.guidance_scale,
            guidance_rescale=settings.guidance_rescale,
            eta=settings.eta,
            tile=settings.tile,
        )


def scheduler_of(name: str, trained: Any) -> Any:
    """The scheduler that settings name, with the noise schedule and prediction type of the one a model has."""
    import diffusers

    return getattr(diffusers, SCHEDULERS[name]).from_config(trained.config)
