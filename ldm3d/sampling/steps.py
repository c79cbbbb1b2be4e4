"""How many steps a scheduler can take."""

import functools
import inspect
import json
from typing import Any

import torch


def require_steps(scheduler: Any, steps: int) -> None:
    """Check that a scheduler can take so many steps.

    Its noise schedule is an upper bound, but which number is too large depends on how a scheduler spaces steps: DDIM
    of Stable Diffusion ends beyond its table with 1,000 of 1,000, DPM-Solver++ in NaN with 999. So all steps are taken
    once, on a single number.

    Raises:
        ValueError: it cannot.
    """
    kind: Any = type(scheduler)
    settings: str = scheduler.to_json_string()
    most = scheduler.config.num_train_timesteps
    if steps <= most and _ends_well(kind, settings, steps):
        return
    largest = next((fewer for fewer in range(min(steps, most), 0, -1) if _ends_well(kind, settings, fewer)), 0)
    raise ValueError(
        f"num_inference_steps is {steps}, wanted 1 to {largest}: {kind.__name__} cannot take more with this noise "
        "schedule"
    )


@functools.lru_cache(maxsize=1024)
def _ends_well(kind: Any, settings: str, steps: int) -> bool:
    """Return whether all steps can be taken, and end in a finite number, where a network predicts 0."""
    solver = kind.from_config(json.loads(settings))
    takes = inspect.signature(solver.step).parameters
    options = {"generator": torch.Generator()} if "generator" in takes else {}  # leave torch's global one alone
    sample = torch.ones(1, 1, 1, 1)
    try:
        solver.set_timesteps(steps)
        for timestep in solver.timesteps:
            scaled = solver.scale_model_input(sample, timestep)
            sample = solver.step(torch.zeros_like(scaled), timestep, sample, **options, return_dict=False)[0]
    except (IndexError, ValueError):
        return False
    return bool(torch.isfinite(sample).all())
