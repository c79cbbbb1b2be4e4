"""A model, set up for sampling as a configuration asks."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from ldm3d.config import SamplingConfig, SamplingPoint
from ldm3d.config.drawing import PAPER
from ldm3d.models.few_steps import KIND, usual_drawing, without_few_steps
from ldm3d.models.precision import Precision, dtype_of
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.prompts import Prompts
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
    """A model on one device, a GPU if there is one.

    Every batch has the full size, and every caption is encoded by itself, so a sample depends on its own caption and
    seed alone, to the bit (see `text_to_rgbd`).
    """

    def __init__(self, pipeline: RgbdPipeline, config: SamplingConfig, precision: Precision) -> None:
        """Take over `pipeline`: it is moved to the device and gets the configured scheduler."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.pipeline = pipeline.to(device, dtype_of(precision, device))
        self.pipeline.scheduler = scheduler_of(config, pipeline.scheduler)
        self.config = config

    def __call__(self, captions: Sequence[str], seeds: Sequence[int], point: SamplingPoint) -> list[Sample]:
        """Draw a sample for each of N captions and seeds, in their order.

        Raises:
            ValueError: settings do not go together, or do not suit the model.
        """
        config = self.config
        prompts = Prompts.of(captions, seeds, self.pipeline.embeddings, config.negative_prompt)
        return text_to_rgbd(self.pipeline, prompts, config.drawing(point), height=config.height, width=config.width)


def note_on_few_steps(config: SamplingConfig, pipeline: RgbdPipeline) -> str | None:
    """Say how a model that was distilled for few steps is to be drawn, if the settings draw it otherwise."""
    usual = usual_drawing(pipeline.scheduler, pipeline.unet)
    if usual == PAPER:
        return None
    is_guided = usual.guidance_scale == 1 and set(config.guidance_scale) != {1.0}
    if config.scheduler == "lcm" and not is_guided:
        return None
    scale = f" --sampling.guidance-scale {usual.guidance_scale:g}, as guidance is built in" if is_guided else ""
    steps = f"--sampling.num-inference-steps {usual.num_inference_steps}"
    return f"the model was distilled for few steps: draw it with --sampling.scheduler lcm {steps}{scale}"


def scheduler_of(config: SamplingConfig, trained: Any) -> Any:
    """Make the scheduler of the settings, with the noise schedule and prediction type of the trained one.

    Raises:
        ValueError: it cannot have them.
    """
    import diffusers

    kind = getattr(diffusers, SCHEDULERS[config.scheduler])
    changes: dict[str, Any] = {}
    if config.timestep_spacing:
        changes["timestep_spacing"] = config.timestep_spacing
    if config.zero_terminal_snr:
        changes["rescale_betas_zero_snr"] = True
    ends_in_noise = config.zero_terminal_snr or trained.config.get("rescale_betas_zero_snr")
    if ends_in_noise and trained.config.prediction_type == "epsilon":
        raise ValueError(
            "the noise schedule ends in pure noise (zero terminal SNR), about which a model that predicts epsilon "
            "says nothing: give a model of v_prediction, or leave out --sampling.zero-terminal-snr"
        )
    if ends_in_noise and "rescale_betas_zero_snr" not in inspect.signature(kind.__init__).parameters:
        raise ValueError(
            f"--sampling.scheduler {config.scheduler}: {kind.__name__} does not rescale the noise schedule to end in "
            "pure noise (zero terminal SNR), which this model needs: give ddim or another scheduler"
        )
    settings = trained.config if kind.__name__ == KIND else without_few_steps(trained.config)
    return kind.from_config(settings, **changes)
