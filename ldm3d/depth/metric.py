"""Metric depth in metres, from any transformers model that estimates it."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.depth.relative import is_padded, load_depth_model, predicts
from ldm3d.models.precision import full_float32


class MetricDepthEstimator:
    """One metric depth model on one device, in float32: ZoeDepth, GLPN, a metric Depth Anything, or Depth Pro.

    The model's own image processor prepares pictures and resizes maps to them. Depth Pro predicts 1 / m, which its
    processor inverts, using the predicted field of view.
    """

    def __init__(self, model: Any, processor: Any, *, flip: bool) -> None:
        """Wrap a model and its image processor.

        Args:
            flip: average with the depth of the mirrored picture, mirrored back, as ZoeDepth's own `infer` does. Takes
                twice as long.
        """
        self.model, self.processor, self.flip = model.eval(), processor, flip

    @classmethod
    def from_pretrained(
        cls, setting: str, model: str, revision: str | None = None, *, flip: bool, device: str = "cpu"
    ) -> Self:
        """Load a model and its image processor.

        Args:
            setting: the flag that names the model, for messages.
            model: hub id or local path.
            revision: commit on the hub; None is its main branch.

        Raises:
            ValueError: the model cannot be loaded, or does not predict metric depth.
        """
        network, processor = load_depth_model(setting, model, revision, torch.float32)
        _require_metric(network.config, f"{setting} {model!r}")
        return cls(network.to(device), processor, flip=flip)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """Estimate depth: (N, H, W, 3) uint8 RGB -> (N, H, W) float32 metres, on the model's device."""
        device = self.model.device
        pictures = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
        pixels = self.processor(images=list(pictures), return_tensors="pt", device=device)["pixel_values"]
        size = (images.shape[1], images.shape[2])
        with torch.autocast(device.type, enabled=False), full_float32():
            depth = self._metres(pixels, size)
            if not self.flip:
                return depth
            return (depth + self._metres(pixels.flip(-1), size).flip(-1)) / 2

    def _metres(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        # ZoeDepth's processor wants the source size, to remove its padding, and takes it as the target size too
        argument = "source_sizes" if is_padded(self.processor) else "target_sizes"
        sizes = {argument: [size] * len(pixels)}
        maps = self.processor.post_process_depth_estimation(self.model(pixel_values=pixels), **sizes)
        return torch.stack([each["predicted_depth"].float() for each in maps]).view(len(pixels), *size)


def _require_metric(config: Any, name: str) -> None:
    """Check that a model of this configuration predicts metric depth.

    Raises:
        ValueError: it predicts relative depth: which of two points is nearer, but not how near.
    """
    wanted = "wanted metres: give ZoeDepth, GLPN, Depth Pro or a metric Depth Anything"
    advice = f'{wanted}; if it does predict metres, put "depth_estimation_type": "metric" into its config.json'
    if config.model_type != "depth_pro" and predicts(config, advice=advice) != "depth":
        raise ValueError(f"{name} predicts relative inverse depth, {wanted}")
