"""Models that were distilled for few steps: their scheduler is LCM, which is how they say it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ldm3d.config.drawing import FEW, PAPER, Drawing

SCHEDULER, KIND = "scheduler/scheduler_config.json", "LCMScheduler"
LCM_ALONE = ("original_inference_steps", "timestep_scaling")  # settings of that scheduler


def says_few_steps(place: str) -> bool:
    """Return whether a folder holds a model, or the training of one, that was distilled for few steps. False for what
    is not on this machine, or cannot be read."""
    for folder in (Path(place), Path(place, "model")):
        try:
            return bool(json.loads((folder / SCHEDULER).read_text()).get("_class_name") == KIND)
        except (OSError, ValueError, AttributeError):
            continue
    return False


def without_few_steps(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a scheduler without what only LCM knows: others would warn."""
    return {name: value for name, value in config.items() if name not in LCM_ALONE}


def usual_drawing(scheduler: Any, unet: Any) -> Drawing:
    """Return how a model is drawn where nothing else is asked for: as the paper draws, or in few steps.

    Args:
        scheduler, unet: of diffusers. A U-Net that is told the guidance scale keeps the usual one; of others that were
            distilled for few steps it is 1, as guidance is built in.
    """
    if type(scheduler).__name__ != KIND:
        return PAPER
    if unet.config.time_cond_proj_dim is None:
        return FEW
    return Drawing(num_inference_steps=FEW.num_inference_steps)
