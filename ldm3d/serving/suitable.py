"""Whether a model can draw what is asked, without any of its networks."""

from typing import Any, cast

from ldm3d.config import SamplingConfig
from ldm3d.sampling.denoising import step_options
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.sampler import scheduler_of
from ldm3d.sampling.steps import require_steps
from ldm3d.sampling.text_to_rgbd import latent_shape
from ldm3d.serving.request import DrawRequest


def require_suitable(request: DrawRequest, model: RgbdPipeline) -> None:
    """Check that a model can draw a request.

    Raises:
        ValueError: its size, scheduler, steps or eta do not suit the model.
    """
    latents_of(request, model)
    scheduler = scheduler_for(request, model)
    step_options(scheduler, request.eta, None)
    require_steps(scheduler, request.num_inference_steps)


def latents_of(request: DrawRequest, model: RgbdPipeline) -> tuple[int, int, int]:
    """Return the shape (C, h, w) of a request's latents."""
    return latent_shape(model, request.height, request.width)


def scheduler_for(request: DrawRequest, model: RgbdPipeline) -> Any:
    """Return a new scheduler of the request's kind, with the model's noise schedule."""
    return scheduler_of(SamplingConfig(scheduler=cast("Any", request.scheduler)), model.scheduler)
