"""A small metric depth estimator for scenes, in place of ZoeDepth: `ldm3d.toy.depth_model`'s DPT, in metres.

Its configuration says `depth_estimation_type: metric`, which `ldm3d.depth.metric` reads.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.toy.depth_model import (
    LABEL_SIZE,
    VAL_SEEDS,
    ShowStep,
    as_pixels,
    fit,
    predict,
    save,
    seeded,
    unseen,
)
from ldm3d.toy.scenes import Scene, render

FARTHEST_M = 10.0  # ZoeDepth-N's limit: the depth of the sky, and of the floor beyond
NEAREST_M = 0.1  # nothing in any scene is nearer


@dataclass(frozen=True)
class MetricDepthReport:
    """The quality of the model, on 64 held-out scenes of 32 x 32 pixels."""

    abs_rel: float
    """Mean of |z' - z| / z over all pixels."""
    rmse_m: float
    """Root mean square of z' - z in each scene, averaged over scenes; metres."""
    losses: list[float]
    """Of each step."""


def train_metric_depth_model(
    folder: str | Path, steps: int = 1_000, seed: int = 0, show: ShowStep = unseen
) -> MetricDepthReport:
    """Train the model and save it to `folder`, with its image processor.

    The arguments are those of `ldm3d.toy.depth_model.train_depth_model`.
    """
    with seeded(seed):
        model, processor, losses = fit(_tenths, _loss, steps, seed, show)
        to_metres(model)
        abs_rel, rmse_m = _validate(model, processor)
    save(model, processor, folder)
    return MetricDepthReport(abs_rel, rmse_m, losses)


def metres(inverse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the model should predict: inverse depth, 1/metre, 0 in the sky -> metres, at most 10."""
    return (1 / np.maximum(inverse_depth, 1 / FARTHEST_M)).astype(np.float32)


def _tenths(inverse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return metres as a share of the farthest: a network learns numbers of about 1 sooner than others."""
    return metres(inverse_depth) / FARTHEST_M


@torch.no_grad()
def to_metres(model: Any) -> None:
    """Make a model that predicts shares of the farthest predict metres. Only a ReLU follows its last convolution."""
    last = model.head.head[-2]
    last.weight *= FARTHEST_M
    last.bias *= FARTHEST_M
    model.config.depth_estimation_type = "metric"


def _loss(prediction: Tensor, depth: Tensor) -> Tensor:
    """Return the root mean square of ln z' - ln z. Of the losses tried, it gave the smallest relative error."""
    logs = prediction.clamp_min(NEAREST_M / FARTHEST_M).log() - depth.log()
    return logs.square().mean().sqrt()


@torch.no_grad()
def _validate(model: Any, processor: Any) -> tuple[float, float]:
    renderings = [render(Scene.from_seed(seed), LABEL_SIZE) for seed in VAL_SEEDS]
    found = predict(model, as_pixels([image for image, _ in renderings], processor), LABEL_SIZE).numpy()
    exact = metres(np.stack([inverse_depth for _, inverse_depth in renderings]))
    error = np.abs(found - exact)
    return float((error / exact).mean()), float(np.sqrt((error**2).mean((1, 2))).mean())
