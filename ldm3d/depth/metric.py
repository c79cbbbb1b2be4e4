"""Metric depth in metres, from any transformers model that estimates it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.depth.meaning import predicts
from ldm3d.depth.model import load_depth_model
from ldm3d.depth.processing import to_network, to_pictures
from ldm3d.models.precision import full_float32
from ldm3d.pil import as_rgb_batch

if TYPE_CHECKING:
    from PIL.Image import Image


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

    @torch.no_grad()  # in inference mode, users could not change what they get
    def __call__(self, images: "Image | Sequence[Image] | NDArray[np.uint8]") -> Tensor:
        """Estimate depth: PIL pictures of one size, or (N, H, W, 3) uint8 RGB -> (N, H, W) float32 metres, on the
        model's device.

        Raises:
            ValueError: sizes differ, or an array has another shape or dtype.
        """
        images = as_rgb_batch(images)
        device = self.model.device
        pixels = to_network(self.processor, images, device)
        with torch.autocast(device.type, enabled=False), full_float32():
            depth = self._metres(images, pixels)
            if not self.flip:
                return depth
            return (depth + self._metres(images, pixels, mirrored=True)) / 2

    def _metres(self, images: NDArray[np.uint8], pixels: Tensor, *, mirrored: bool = False) -> Tensor:
        outputs = self.model(pixel_values=pixels.flip(-1) if mirrored else pixels)
        if mirrored:  # back, before the padding is cut off: it may be a pixel wider on the right
            outputs.predicted_depth = outputs.predicted_depth.flip(-1)
        return to_pictures(self.processor, outputs, images, pixels)


def _require_metric(config: Any, name: str) -> None:
    """Check that a model of this configuration predicts metric depth.

    Raises:
        ValueError: it predicts relative depth: which of two points is nearer, but not how near.
    """
    wanted = "wanted metres: give ZoeDepth, GLPN, Depth Pro or a metric Depth Anything"
    advice = f'{wanted}; if it does predict metres, put "depth_estimation_type": "metric" into its config.json'
    if config.model_type != "depth_pro" and predicts(config, advice=advice) != "depth":
        raise ValueError(f"{name} predicts relative inverse depth, {wanted}")
