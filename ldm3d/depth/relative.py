"""Depth labels: 16-bit relative inverse depth, larger = nearer, from any transformers depth model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.config import LabelConfig
from ldm3d.depth.meaning import predicts
from ldm3d.depth.model import load_depth_model
from ldm3d.depth.processing import post_processing_inverts, to_network, to_pictures
from ldm3d.models.precision import dtype_of
from ldm3d.pil import as_rgb_batch
from ldm3d.rgbd import DEPTH_MAX

if TYPE_CHECKING:
    from PIL.Image import Image

FARTHEST_M = 1_000.0  # metric depth is inverted; depth that is larger, or not positive, counts as this


@dataclass(frozen=True)
class DepthLabels:
    """Labels of N images of S x S pixels."""

    depth: NDArray[np.uint16]
    """(N, S, S): 65,535 is the nearest pixel of its image, 0 the farthest; a flat map is all 0."""
    raw_min: NDArray[np.float32]
    """(N,), the model's inverse depth at 0."""
    raw_max: NDArray[np.float32]
    """(N,), the model's inverse depth at 65,535."""
    is_finite: NDArray[np.bool_]
    """(N,); False where the label must not be used."""

    def first(self, count: int) -> "DepthLabels":
        """Return the labels of the first `count` images."""
        return DepthLabels(self.depth[:count], self.raw_min[:count], self.raw_max[:count], self.is_finite[:count])


class DepthEstimator:
    """One depth model on one device, at the resolution its image processor asks for (384 x 384 for DPT-Large)."""

    def __init__(self, model: Any, processor: Any, *, inverts: bool) -> None:
        """Wrap a model; `inverts` says that it predicts metric depth, to be turned into inverse depth (1 / m)."""
        self.model = model.eval()
        self.processor = processor
        self.inverts = inverts

    @classmethod
    def from_pretrained(cls, config: LabelConfig) -> Self:
        """Load the model and its image processor, by hub id or local path, on the GPU if there is one.

        Raises:
            ValueError: the model cannot be loaded, or neither it nor the configuration says what it predicts.
        """
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = dtype_of("auto", device) if config.dtype == "auto" else getattr(torch, config.dtype)
        model, processor = load_depth_model("--label.depth-model", config.depth_model, config.revision, dtype)
        return cls(model.to(device), processor, inverts=predicts(model.config, config.predicts) == "depth")

    def __call__(self, images: "Image | Sequence[Image] | NDArray[np.uint8]") -> DepthLabels:
        """Label PIL pictures of one size, or (N, S, S, 3) uint8 RGB images, at that size, in one forward pass.

        Raises:
            ValueError: sizes differ, or an array has another shape or dtype.
        """
        return quantise(self.inverse_depth(images))

    @torch.no_grad()  # in inference mode, users could not change what they get
    def inverse_depth(self, images: "Image | Sequence[Image] | NDArray[np.uint8]") -> torch.Tensor:
        """Estimate labels before quantisation: PIL pictures of one size, or (N, H, W, 3) uint8 RGB -> (N, H, W)
        float32, larger = nearer.

        The result is on the model's device. It is in 1 / m if the model predicts metric depth, otherwise of any scale
        and shift; all NaN where the model's own map is not finite.

        Metric depth is inverted before it is resized: a bicubic filter overshoots at edges, and what falls below 0 m
        would come out as far away.
        """
        images = as_rgb_batch(images)
        pixels = to_network(self.processor, images, self.model.device)
        outputs = self.model(pixel_values=pixels.to(self.model.dtype))
        finite = outputs.predicted_depth.isfinite().flatten(1).all(1)  # a limit would hide what is not
        if self.inverts:
            outputs.predicted_depth = invert(outputs.predicted_depth.float())
        maps = to_pictures(self.processor, outputs, images, pixels)
        maps = 1 / maps if post_processing_inverts(self.processor) else maps
        return torch.where(finite[:, None, None], maps, torch.nan)


def invert(metres: torch.Tensor) -> torch.Tensor:
    """Turn metres into 1 / m. What is not positive, or above 1,000 m, counts as 1,000 m; NaN stays."""
    return 1 / torch.where(metres <= 0, FARTHEST_M, metres).clamp(max=FARTHEST_M)


def quantise(inverse_depth: torch.Tensor) -> DepthLabels:
    """Scale each map, (N, H, W) float32, larger = nearer, to 16 bits: d = round(65535 (x - min) / (max - min))."""
    finite = inverse_depth.isfinite().flatten(1).all(1)
    values = torch.where(finite[:, None, None], inverse_depth, 0.0)
    low, high = values.amin((1, 2)), values.amax((1, 2))
    span = torch.where(high > low, high - low, 1.0)
    # float64: a float32 quotient times 65,535 is exact to about 1/256 of a level only
    scaled = (values.double() - low[:, None, None]) / span[:, None, None].double() * DEPTH_MAX
    return DepthLabels(
        depth=scaled.round().to(torch.int32).cpu().numpy().astype(np.uint16),
        raw_min=low.cpu().numpy(),
        raw_max=high.cpu().numpy(),
        is_finite=finite.cpu().numpy(),
    )
