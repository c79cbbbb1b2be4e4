"""Metric depth: any transformers model that estimates it -> metres."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.depth.relative import is_padded, load_depth_model, predicts
from ldm3d.models.precision import full_float32


class MetricDepthEstimator:
    """One metric depth model on one device, in float32: ZoeDepth, GLPN, Depth Anything's metric ones, Depth Pro.

    Pictures are prepared and maps brought to their size as the model's own image processor does both. Depth Pro says
    1 / m, which its processor inverts, with the field of view that it sees.
    """

    def __init__(self, model: Any, processor: Any, *, flip: bool) -> None:
        """
        Args:
            flip: average depth with that of the mirrored picture, mirrored back, as ZoeDepth's own `infer` does. It
                takes twice as long.
        """
        self.model, self.processor, self.flip = model.eval(), processor, flip

    @classmethod
    def from_pretrained(
        cls, setting: str, model: str, revision: str | None = None, *, flip: bool, device: str = "cpu"
    ) -> Self:
        """
        Args:
            setting: what the flag is called that names the model, for messages.
            model: hub id or local path.
            revision: commit on the hub; None is its main branch.

        Raises:
            ValueError: the model cannot be loaded, or what it predicts is not metric depth.
        """
        network, processor = load_depth_model(setting, model, revision, torch.float32)
        _require_metric(network.config, f"{setting} {model!r}")
        return cls(network.to(device), processor, flip=flip)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """(N, H, W, 3) uint8 RGB -> (N, H, W) float32, metres, on the model's device."""
        device = self.model.device
        pictures = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
        pixels = self.processor(images=list(pictures), return_tensors="pt", device=device)["pixel_values"]
        size = (images.shape[1], images.shape[2])
        with torch.autocast(device.type, enabled=False), full_float32():
            depth = self._metres(pixels, size)
            return (depth + self._metres(pixels.flip(-1), size).flip(-1)) / 2 if self.flip else depth

    def _metres(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        # of ZoeDepth's the source's size, which says what padding is to be taken off, is the target's
        named = {"source_sizes" if is_padded(self.processor) else "target_sizes": [size] * len(pixels)}
        maps = self.processor.post_process_depth_estimation(self.model(pixel_values=pixels), **named)
        return torch.stack([each["predicted_depth"].float() for each in maps]).view(len(pixels), *size)


def _require_metric(config: Any, name: str) -> None:
    """
    Raises:
        ValueError: a model of this configuration says which of two points is nearer, but not how near.
    """
    wanted = "wanted metres: give ZoeDepth, GLPN, Depth Pro or a metric Depth Anything"
    advice = f'{wanted}; if it does predict metres, put "depth_estimation_type": "metric" into its config.json'
    if config.model_type != "depth_pro" and predicts(config, advice=advice) != "depth":
        raise ValueError(f"{name} predicts relative inverse depth, {wanted}")
