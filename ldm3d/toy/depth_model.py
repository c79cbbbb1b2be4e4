"""A small depth estimator of DPT-Large's architecture, trained on scenes whose depth is known exactly.

It is saved like any transformers model, so `AutoModelForDepthEstimation.from_pretrained(folder)` and
`AutoImageProcessor.from_pretrained(folder)` load it in place of `Intel/dpt-large`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldm3d.models.quiet import quiet
from ldm3d.toy.scenes import Scene, exact_depth, render

BATCH_SIZE = 8
LEARNING_RATE = 2e-3
WARMUP_STEPS = 30
LABEL_SIZE = 32  # pixels: the image size of the preset `toy`; the processor enlarges them
INPUT_SIZE = 64  # pixels that the model sees, a multiple of 32: two patches
TRAIN_SEEDS = 10**12  # first seed of the scenes; used nowhere else
VAL_SEEDS = range(2 * 10**12, 2 * 10**12 + 64)

Target = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(B, S, S) inverse depth, 1/metre, 0 in the sky -> what the model should predict."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""(B, S, S) predictions and targets -> a scalar."""
ShowStep = Callable[[int, int], None]
"""Steps that are done, and in all."""


@dataclass(frozen=True)
class DepthModelReport:
    """The quality of the model, on 64 held-out scenes of 32 x 32 pixels."""

    l1: float
    """Mean absolute error of depth scaled to [0, 1] within its image."""
    losses: list[float]
    """Of each step."""
    parameters: int


def unseen(done: int, steps: int) -> None:
    """Show nothing of a training."""


def train_depth_model(
    folder: str | Path, steps: int = 1_000, seed: int = 0, show: ShowStep = unseen
) -> DepthModelReport:
    """Train the model on one thread and save it to `folder`, with its image processor.

    On one machine the same arguments give the same weights.

    Args:
        steps: number of batches of 8 scenes, none of which is seen twice; most are 32 pixels wide, as in the corpus.
        show: called after each step.
    """
    with seeded(seed):
        model, processor, losses = fit(exact_depth, _loss, steps, seed, show)
        l1 = _validate(model, processor)
    save(model, processor, folder)
    return DepthModelReport(l1, losses, model.num_parameters())


def fit(target: Target, loss_of: Loss, steps: int, seed: int, show: ShowStep = unseen) -> tuple[Any, Any, list[float]]:
    """Train a DPT, as `train_depth_model` says, and return it with its image processor and the losses of its steps.

    Uses torch's global generator.
    """
    model, processor = small_dpt(INPUT_SIZE, hidden_size=96, necks=(24, 48, 64, 96)), dpt_processor(INPUT_SIZE)

    def loss_at(step: int) -> Tensor:
        first = TRAIN_SEEDS + (seed * steps + step) * BATCH_SIZE
        pixels, depth = _batch(range(first, first + BATCH_SIZE), processor, target)
        return loss_of(predict(model, pixels, INPUT_SIZE), depth)

    optimizer = torch.optim.AdamW(model.train().parameters(), LEARNING_RATE)
    losses = descend(optimizer, loss_at, steps, WARMUP_STEPS, max_norm=1.0, show=show)
    return model.eval(), processor, losses


def descend(
    optimizer: torch.optim.Optimizer,
    loss_at: Callable[[int], Tensor],
    steps: int,
    warmup_steps: int,
    max_norm: float | None = None,
    show: ShowStep = unseen,
) -> list[float]:
    """Take steps of an optimizer: a short warm-up to its learning rate, then a linear decay to 0. Returns the losses.

    Args:
        loss_at: number of a step, from 0 -> its loss.
        max_norm: gradients with a larger norm are scaled down to it; None clips nothing.
        show: called after each step.
    """
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warmup_steps) * (1 - step / steps)
    )
    losses = []
    for step in range(steps):
        loss = loss_at(step)
        optimizer.zero_grad()
        loss.backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], max_norm)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        show(step + 1, steps)
    return losses


def tiny_depth_model(folder: str | Path, seed: int = 0) -> None:
    """Save a small untrained model for 32 x 32 pixels, which loads like a real one."""
    with seeded(seed), torch.no_grad():
        model = small_dpt(32, hidden_size=32, necks=(16, 16))
        for weight in model.parameters():
            if weight.ndim > 1:
                weight *= 6  # initial weights are so small that depth would hardly differ between pixels
    save(model, dpt_processor(32), folder)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch and let it use one thread, and restore both afterwards."""
    threads_before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads_before)


def small_dpt(
    image_size: int, hidden_size: int, necks: Sequence[int], mlp_ratio: int = 3, fusion_size: int = 16
) -> Any:
    """Build a DPT with one transformer layer per neck; the deepest features have half the patches' resolution."""
    from transformers import DPTConfig, DPTForDepthEstimation

    config = DPTConfig(
        image_size=image_size,
        patch_size=16,
        hidden_size=hidden_size,
        intermediate_size=mlp_ratio * hidden_size,
        num_hidden_layers=len(necks),
        num_attention_heads=4,
        backbone_out_indices=list(range(len(necks))),
        neck_hidden_sizes=list(necks),
        reassemble_factors=[4, 2, 1, 0.5][-len(necks) :],
        fusion_hidden_size=fusion_size,
        head_in_index=-1,
        is_hybrid=False,
    )
    model: Any = DPTForDepthEstimation(config)
    torch.nn.init.constant_(model.head.head[-2].bias, 0.5)  # at 0, the ReLU after it may be dead from the start
    return model


def dpt_processor(image_size: int) -> Any:
    """Build an image processor that resizes to a square of `image_size` pixels in [-1, 1]."""
    from PIL import Image
    from transformers import DPTImageProcessor

    return DPTImageProcessor(
        size={"height": image_size, "width": image_size},
        resample=Image.Resampling.BICUBIC,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def save(model: Any, processor: Any, folder: str | Path) -> None:
    """Save a model in the format of transformers."""
    with quiet():
        model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _batch(seeds: Sequence[int], processor: Any, target: Target) -> tuple[Tensor, Tensor]:
    """Render pixels (B, 3, S, S) in [-1, 1] and targets (B, S, S), S = `INPUT_SIZE`; most pixels are enlarged."""
    scenes = [Scene.from_seed(seed) for seed in seeds]
    sizes = [INPUT_SIZE if index % 4 == 0 else LABEL_SIZE for index in range(len(scenes))]
    images = [render(scene, size).image for scene, size in zip(scenes, sizes, strict=True)]
    inverse_depth = np.stack([render(scene, INPUT_SIZE, samples=1).inverse_depth for scene in scenes])
    return as_pixels(images, processor), torch.from_numpy(target(inverse_depth))


def as_pixels(images: Sequence[NDArray[np.uint8]], processor: Any) -> Tensor:
    """Turn pictures of any size, (H, W, 3) uint8, into (N, 3, S, S) as the model sees them."""
    pixels: Tensor = torch.cat([processor(image, return_tensors="pt")["pixel_values"] for image in images])
    return pixels


def predict(model: Any, pixels: Tensor, size: int) -> Tensor:
    """Predict depth: (B, 3, H, W) -> (B, size, size)."""
    prediction = model(pixel_values=pixels).predicted_depth[:, None]
    return functional.interpolate(prediction, size=(size, size), mode="bicubic")[:, 0]


def _loss(prediction: Tensor, depth: Tensor) -> Tensor:
    """Return the mean absolute error of the prediction, plus that of a label: scaled to [0, 1] within its image."""
    low, high = prediction.amin((1, 2), keepdim=True), prediction.amax((1, 2), keepdim=True)
    scaled = (prediction - low) / (high - low).clamp_min(0.1)
    return functional.l1_loss(prediction, depth) + functional.l1_loss(scaled, depth)


@torch.no_grad()
def _validate(model: Any, processor: Any) -> float:
    renderings = [render(Scene.from_seed(seed), LABEL_SIZE) for seed in VAL_SEEDS]
    prediction = predict(model, as_pixels([image for image, _ in renderings], processor), LABEL_SIZE).numpy()
    exact = exact_depth(np.stack([inverse_depth for _, inverse_depth in renderings]))
    return float(np.abs(exact_depth(prediction) - exact).mean())
