"""A small metric depth estimator for scenes, in place of ZoeDepth: the DPT of `ldm3d.toy.depth_model`, for metres.

Its configuration says `depth_estimation_type: metric`, by which `ldm3d.depth.metric` knows it.
"""

import time
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
    Progress,
    as_pixels,
    dpt_processor,
    fit,
    predict,
    save,
    seeded,
    small_dpt,
)
from ldm3d.toy.scenes import Scene, render

FARTHEST_M = 10.0  # as far as ZoeDepth-N sees: the sky, and what of the floor is beyond
NEAREST_M = 0.1  # no scene has anything so near


@dataclass(frozen=True)
class MetricDepthReport:
    """How well the model knows 64 scenes of 32 x 32 pixels that it has not seen.

    abs_rel: mean of |z' - z| / z over all pixels. rmse_m: of each scene √ of the mean of (z' - z)², then their mean.
    """

    abs_rel: float
    rmse_m: float
    steps: int
    seconds: float
    parameters: int


def train_metric_depth_model(
    folder: str | Path,
    steps: int = 1_000,
    seed: int = 0,
    threads: int = 1,
    image_size: int = 64,
    progress: Progress | None = None,
) -> MetricDepthReport:
    """Trains the model and saves it, with its image processor, into `folder`.

    Args: as of `ldm3d.toy.depth_model.train_depth_model`.
    """
    started = time.monotonic()
    with seeded(seed, threads):
        model, processor = fit(_tenths, _loss, steps, seed, image_size, progress)
        _to_metres(model)
        abs_rel, rmse_m = _validate(model, processor)
    save(model, processor, folder)
    return MetricDepthReport(abs_rel, rmse_m, steps, time.monotonic() - started, model.num_parameters())


def tiny_metric_depth_model(folder: str | Path, seed: int = 0) -> None:
    """Saves a random model that sees 32 x 32 pixels: it is small, loads like a real one, and knows nothing."""
    with seeded(seed, threads=1), torch.no_grad():
        model = small_dpt(32, hidden_size=32, necks=(16, 16))
        for weight in model.parameters():
            if weight.ndim > 1:
                weight *= 6  # as small as they begin, one pixel's depth would be another's to the last bits
        _to_metres(model)
        save(model, dpt_processor(32), folder)


def metres(inverse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the model is to see: 1/metre, 0 in the sky -> metres, at most 10."""
    return (1 / np.maximum(inverse_depth, 1 / FARTHEST_M)).astype(np.float32)


def _tenths(inverse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the farthest: a network learns numbers about 1 sooner than others."""
    return metres(inverse_depth) / FARTHEST_M


@torch.no_grad()
def _to_metres(model: Any) -> None:
    """Has a model that predicts tenths predict metres. What follows its last convolution is a ReLU."""
    last = model.head.head[-2]
    last.weight *= FARTHEST_M
    last.bias *= FARTHEST_M
    model.config.depth_estimation_type = "metric"


def _loss(prediction: Tensor, depth: Tensor) -> Tensor:
    """√ of the mean square of ln z' - ln z: of the losses that were tried the one of the least relative error."""
    logs = prediction.clamp_min(NEAREST_M / FARTHEST_M).log() - depth.log()
    return logs.square().mean().sqrt()


@torch.no_grad()
def _validate(model: Any, processor: Any) -> tuple[float, float]:
    renderings = [render(Scene.from_seed(seed), LABEL_SIZE) for seed in VAL_SEEDS]
    found = predict(model, as_pixels([image for image, _ in renderings], processor), LABEL_SIZE).numpy()
    exact = metres(np.stack([inverse_depth for _, inverse_depth in renderings]))
    error = np.abs(found - exact)
    return float((error / exact).mean()), float(np.sqrt((error**2).mean((1, 2))).mean())
