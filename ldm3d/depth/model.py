"""Depth models of transformers, loaded and checked."""

from typing import Any

import torch

from ldm3d.depth.processing import check_processor
from ldm3d.models.hub import require_hub
from ldm3d.models.quiet import quiet
from ldm3d.models.unreadable import named, why_unreadable

WANTED = (
    "give a model of transformers that estimates depth: a folder written by save_pretrained, or a hub id that every "
    "node can reach or has cached"
)
# Weights that transformers' classes have but never use. Intel/dpt-large comes without the first ones.
_NEEDLESS = ("fusion_stage.layers.0.residual_layer1.", "mask_token")


def load_depth_model(setting: str, model: str, revision: str | None, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load a depth model of transformers on the CPU, in evaluation mode, and its image processor.

    Args:
        setting: the flag that names the model, for messages.
        model: hub id or local path.
        revision: commit on the hub; None is its main branch.

    Raises:
        ValueError: it cannot be loaded, or lacks weights, which transformers would leave uninitialised; or its image
            processor does not suit.
    """
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    name = named(setting, model, revision)
    try:
        require_hub(model, revision)
        processor = AutoImageProcessor.from_pretrained(model, revision=revision)
        with quiet():
            network, found = AutoModelForDepthEstimation.from_pretrained(
                model, revision=revision, dtype=dtype, output_loading_info=True
            )
    except (OSError, ValueError) as error:
        raise ValueError(f"{name} did not load {why_unreadable(model, revision, error, WANTED)}") from error
    check_processor(processor, name)
    needless = {weight for weight in found["missing_keys"] if any(part in weight for part in _NEEDLESS)}
    if missing := sorted(found["missing_keys"] - needless):
        raise ValueError(
            f"{name} lacks weights ({len(missing)}, {missing[0]} first): it is not a depth model, or its file is cut "
            "short; give a model that was trained to estimate depth"
        )
    for weight in needless:  # uninitialised, they would change the model's fingerprint each time
        torch.nn.init.zeros_(network.get_parameter(weight))
    return network.eval(), processor
