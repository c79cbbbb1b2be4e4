"""The learning rate over a run."""

import math

from ldm3d.config import OptimiserConfig

LOWEST = 0.02  # factor at the last step


def learning_rate_factor(step: int, total_steps: int, config: OptimiserConfig) -> float:
    """Return the factor of the learning rate at a step, for LambdaLR.

    It is (step + 1) / warmup_steps during warm-up, which ends at 1; then it stays constant or falls to 0.02 at the
    last step, linearly or as half a cosine.

    Args:
        step: optimiser steps done before, 0 to `total_steps` - 1.
        total_steps: of the whole run; a resumed run must give the same.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.decay == "none":
        return 1.0
    steps_left = max(total_steps - 1 - config.warmup_steps, 1)
    progress = min((step - config.warmup_steps) / steps_left, 1.0)
    height = 1 - progress if config.decay == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return LOWEST + (1 - LOWEST) * height
