"""What users call after each step: diffusers' `callback_on_step_end`, as a `Callback` of ours."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ldm3d.sampling.denoise import Callback

StepEnd = Callable[[Any, int, Tensor, dict[str, Any]], dict[str, Any] | None]
"""Called after each step with the pipeline, the step's index from 0, its timestep and `{"latents": latents}`, which it
may replace by returning others under the same name."""


def one_callback(
    pipeline: Any, callback: Callback | None, step_end: StepEnd | None, inputs: Sequence[str] | None
) -> Callback | None:
    """Return what is called after each step, by either of its names; None if neither is given.

    Raises:
        ValueError: both are given, or something other than `latents` is asked for.
    """
    if step_end is None:
        return callback
    if callback is not None:
        raise ValueError("callback and callback_on_step_end are both given: want one of them")
    return _as_callback(pipeline, step_end, inputs)


def _as_callback(pipeline: Any, step_end: StepEnd, inputs: Sequence[str] | None = None) -> Callback:
    """Turn diffusers' `callback_on_step_end` into a `Callback`.

    Args:
        inputs: diffusers' `callback_on_step_end_tensor_inputs`; None is what the callback itself asks for, or the
            latents.

    Raises:
        ValueError: something other than `latents` is asked for.
    """
    if inputs is None:
        inputs = getattr(step_end, "tensor_inputs", None) or ["latents"]
    wanted = list(inputs)
    if wanted not in ([], ["latents"]):
        raise ValueError(f"callback_on_step_end asks for {', '.join(wanted)}, wanted latents alone")

    def callback(step: int, timestep: Tensor, latents: Tensor) -> Tensor | None:
        given = {"latents": latents} if wanted else {}
        return (step_end(pipeline, step, timestep, given) or {}).get("latents")

    return callback
