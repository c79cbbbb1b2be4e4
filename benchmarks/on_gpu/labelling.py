"""Depth labels: our estimator against a bare loop of transformers' processor, model and post-processing."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.on_gpu.rates import compare, device, half
from benchmarks.on_gpu.sizes import Sizes
from ldm3d.depth.relative import DepthEstimator
from ldm3d.toy.depth_model import dpt_processor

ALIKE = 0.02  # mean difference of labels, of a range of 1: theirs resize in half precision


def measure(sizes: Sizes, seconds: float, turns: int) -> dict[str, Any]:
    """Label batches of noise. Returns images per second.

    Raises:
        RuntimeError: the labels differ.
    """
    from transformers import DPTConfig, DPTForDepthEstimation

    torch.manual_seed(0)
    network: Any = DPTForDepthEstimation(DPTConfig(**sizes.depth))
    torch.nn.init.constant_(network.head.head[-2].bias, 0.5)  # the ReLU after it shall not be dead
    model, processor = network.to(device(), half()).eval(), dpt_processor(sizes.depth["image_size"])
    shape = (sizes.batch, sizes.pixels, sizes.pixels, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ours = DepthEstimator(model, processor, inverts=False)
    difference = np.abs(ours(images).depth - _bare(model, processor, images).astype(np.float64)).mean() / 65_535
    if difference > ALIKE:
        raise RuntimeError(f"labels differ by {difference:.3f} on average, of a range of 1")
    sides = {
        "ours": (lambda: ours(images), sizes.batch),
        "bare loop": (lambda: _bare(model, processor, images), sizes.batch),
    }
    return compare(sides, "bare loop", seconds, turns)


@torch.inference_mode()
def _bare(model: Any, processor: Any, images: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Label a batch as the documentation of transformers shows it."""
    inputs = processor(images=[Image.fromarray(image) for image in images], return_tensors="pt")
    found = model(pixel_values=inputs["pixel_values"].to(model.device, model.dtype))
    labels = []
    for each in processor.post_process_depth_estimation(found, target_sizes=[images.shape[1:3]] * len(images)):
        depth = each["predicted_depth"].float().cpu().numpy()
        depth = (depth - depth.min()) / max(depth.max() - depth.min(), 1e-9)
        labels.append((depth * 65_535).round().astype(np.uint16))
    return np.stack(labels)
