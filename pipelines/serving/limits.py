"""From the body of a request to what is drawn, within the service's limits. A refusal says what to change."""

import secrets
from typing import Any

from ldm3d.config import DefaultsConfig, LimitsConfig, ServeConfig
from ldm3d.serving.request import DrawRequest
from pipelines.serving.bodies import DrawBody, refusal
from pipelines.serving.messages import About
from pipelines.serving.problem import MISSING, Problem, ProblemError, bad

SEEDS = 2**32


def model_of(body: DrawBody, models: tuple[str, ...]) -> str:
    """Return which model is to draw; without a name the first one.

    Raises:
        ProblemError: there is none of that name.
    """
    if body.model is None:
        return models[0]
    if body.model not in models:
        message = f"there is no model {body.model[:64]!r}: there are {', '.join(models)}"
        raise ProblemError(Problem(MISSING, message, "model_not_found", "model"))
    return body.model


def request_of(
    body: DrawBody, config: ServeConfig, about: About, *, width: int | None, height: int | None, previews: int
) -> DrawRequest:
    """Return what is to be drawn, with a seed at random where none is given.

    Raises:
        ProblemError: a setting is out of its range, or beyond the limits.
    """
    _require_within(body, config.limits)
    pixels = (width or about.width) * (height or about.height)
    if pixels > config.limits.pixels:
        shape = f"{width or about.width} x {height or about.height}"
        raise bad(f"the picture would be {shape}, wanted at most {config.limits.pixels:,} pixels", "size")
    try:
        return DrawRequest(
            prompt=body.prompt,
            seed=secrets.randbelow(SEEDS) if body.seed is None else body.seed,
            negative_prompt=body.negative_prompt or "",
            height=height,
            width=width,
            guidance_rescale=body.guidance_rescale or 0.0,
            panorama=bool(body.panorama),
            previews=previews,
            **_with_defaults(body, config.defaults),
        )
    except ValueError as error:
        raise ProblemError(refusal(str(error))) from error


def _with_defaults(body: DrawBody, defaults: DefaultsConfig) -> dict[str, Any]:
    return {
        "num_inference_steps": defaults.steps if body.steps is None else body.steps,
        "guidance_scale": defaults.guidance if body.guidance is None else body.guidance,
        "scheduler": defaults.scheduler if body.scheduler is None else body.scheduler,
        "exact": defaults.exact if body.exact is None else body.exact,
    }


def _require_within(body: DrawBody, limits: LimitsConfig) -> None:
    for name in ("prompt", "negative_prompt"):
        text = getattr(body, name) or ""
        if len(text) > limits.prompt:
            raise bad(f"{name} has {len(text):,} characters, wanted at most {limits.prompt:,}", name)
    for name, most in (("steps", limits.steps), ("guidance", limits.guidance)):
        value = getattr(body, name)
        if value is not None and value > most:
            raise bad(f"{name} is {value:g}, wanted at most {most:g}", name)
