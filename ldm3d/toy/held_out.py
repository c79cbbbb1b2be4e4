"""Samples of captions that no training has seen, and how far they show what the captions say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.config import LabelConfig, ModelConfig
from ldm3d.depth import DepthEstimator
from ldm3d.models.base import load_base
from ldm3d.models.text import EMPTY_CAPTION, encode, tokenise
from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling import Sample, text_to_rgbd
from ldm3d.toy.caption_following import agreement
from ldm3d.toy.scenes import Scene

FIRST_SEED = 3 * 10**12  # of scenes; far from those that models learn from
BATCH_SIZE = 20


@dataclass(frozen=True)
class HeldOut:
    """N scenes, and what a model drew of their captions."""

    scenes: list[Scene]
    samples: list[Sample]

    @classmethod
    def draw(cls, model: Path, count: int, *, num_inference_steps: int, guidance_scale: float) -> "HeldOut":
        """
        Args:
            model: in diffusers layout, as `train_diffusion` leaves it.
        """
        parts = load_base(ModelConfig(base=str(model)))
        scenes = [Scene.from_seed(FIRST_SEED + index) for index in range(count)]
        captions = [scene.caption for scene in scenes]
        with torch.no_grad():
            text, empty = (
                encode(parts.text_encoder, tokenise(parts.tokenizer, each)) for each in (captions, [EMPTY_CAPTION])
            )
        samples = text_to_rgbd(
            parts,
            captions,
            text,
            empty,
            range(count),
            batch_size=BATCH_SIZE,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )
        return cls(scenes, samples)

    def figures(self) -> dict[str, float]:
        """Shares of samples (and of the objects in them) that are as their captions say, and the same under
        `_shuffled` with the captions of other samples: what chance reaches."""
        images = [sample.image for sample in self.samples]
        own = agreement(images, self.scenes)
        others = agreement(images, _shuffled(self.scenes))
        found: dict[str, float] = {}
        for name, share, chance in (
            ("sky", own.sky, others.sky),
            ("floor", own.floor, others.floor),
            ("object", own.objects, others.objects),
        ):
            found |= {f"{name}_accuracy": round(share, 4), f"{name}_accuracy_shuffled": round(chance, 4)}
        return found

    def depth_figures(self, depth_model: Path) -> dict[str, float]:
        """Mean absolute difference, of a range of 1, between the depth of samples and what a depth model sees in their
        images; and between it and what that model sees in other samples."""
        estimator: Any = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(depth_model)))
        seen = _unit(estimator(np.stack([sample.image for sample in self.samples])).depth)
        drawn = _unit(np.stack([sample.depth for sample in self.samples]))
        return {
            "depth_l1": round(float(np.abs(drawn - seen).mean()), 4),
            "depth_l1_shuffled": round(float(np.abs(drawn - np.stack(_shuffled(seen))).mean()), 4),
        }


def _shuffled(items: "Sequence[Any] | NDArray[Any]") -> list[Any]:
    return [items[index] for index in np.random.default_rng(0).permutation(len(items))]


def _unit(depth: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Depth scaled to [0, 1] within each image, as labels are."""
    values = depth.astype(np.float64) / DEPTH_MAX
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    return np.asarray((values - low) / np.where(high > low, high - low, 1))
