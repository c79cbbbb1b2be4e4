"""Depth labels: any transformers depth model -> 16-bit relative inverse depth, larger = nearer."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the name the whole field uses
from numpy.typing import NDArray

from ldm3d.config import LabelConfig
from ldm3d.rgbd import DEPTH_MAX

FARTHEST_M = 1_000.0  # metric depths are inverted; what is farther, or not positive, counts as this far

# What `predicted_depth` means, by the model type in its configuration.
# Depth Pro: 1 / m at a focal length of the image's width; transformers' post-processing inverts it, and we do not.
_PREDICTS = {"dpt": "inverse_depth", "zoedepth": "depth", "glpn": "depth", "depth_pro": "inverse_depth"}


@dataclass(frozen=True)
class DepthLabels:
    """Labels of N images of S x S pixels.

    depth: N x S x S uint16, 65,535 = the nearest pixel of its image, 0 = the farthest; all 0 where the map is flat.
    raw_min, raw_max: (N,) float32, the model's inverse depth behind 0 and 65,535.
    is_finite: (N,) bool; where it is False the label is void.
    """

    depth: NDArray[np.uint16]
    raw_min: NDArray[np.float32]
    raw_max: NDArray[np.float32]
    is_finite: NDArray[np.bool_]

    def first(self, count: int) -> "DepthLabels":
        """The labels of the first `count` images."""
        return DepthLabels(self.depth[:count], self.raw_min[:count], self.raw_max[:count], self.is_finite[:count])


class DepthEstimator:
    """One depth model on one device, at the resolution its image processor asks for (384 x 384 for DPT-Large)."""

    def __init__(self, model: Any, processor: Any, *, inverts: bool) -> None:
        """`inverts`: the model predicts metric depth, so that its output is turned into inverse depth (1 / m)."""
        self.model = model.eval()
        self.processor = processor
        self.inverts = inverts

    @classmethod
    def from_pretrained(cls, config: LabelConfig) -> Self:
        """Load the model and its image processor, by hub id or local path, on the GPU where there is one.

        Raises:
            ValueError: the model cannot be loaded, or what it predicts is not known and not given.
        """
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            processor = AutoImageProcessor.from_pretrained(config.depth_model, revision=config.revision)
            model = AutoModelForDepthEstimation.from_pretrained(
                config.depth_model, revision=config.revision, dtype=_dtype(config.dtype, device)
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"label.depth_model {config.depth_model!r} (revision {config.revision!r}) did not load: {error}. "
                "Give a folder written by save_pretrained, or a hub id that every node can reach or has cached."
            ) from error
        return cls(model.to(device), processor, inverts=predicts(model.config, config.predicts) == "depth")

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> DepthLabels:
        """N x S x S x 3 uint8 RGB -> labels at the same size, in one forward pass."""
        device, dtype = self.model.device, self.model.dtype
        pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
        inputs = self.processor(images=list(pixels), return_tensors="pt", device=device)
        predicted = self.model(pixel_values=inputs["pixel_values"].to(dtype)).predicted_depth.float()
        if self.inverts:
            predicted = 1 / torch.where(predicted > 0, predicted, FARTHEST_M).clamp(max=FARTHEST_M)
        height, width = images.shape[1:3]
        above, left = self._padding(height), self._padding(width)
        padded = resize(predicted, (height + 2 * above, width + 2 * left))
        return quantise(padded[:, above : above + height, left : left + width])

    def _padding(self, side: int) -> int:
        """Pixels by which the processor enlarges a picture of so many on each side: ZoeDepth's alone does."""
        is_zoe = type(self.processor).__name__.startswith("ZoeDepth")  # it has several, by version and back end
        return int(math.sqrt(side / 2) * 3) if is_zoe and self.processor.do_pad else 0


def resize(depth: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """(N, h, w) float -> (N, *size) float, bicubic as in the DPT repository (align_corners off)."""
    return F.interpolate(depth[:, None], size=size, mode="bicubic", align_corners=False)[:, 0]


def quantise(inverse_depth: torch.Tensor) -> DepthLabels:
    """Per-image min-max to 16 bits: d = round(65535 (x - min) / (max - min)).  (N, H, W) float32, larger = nearer."""
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


def dequantise(
    depth: NDArray[np.uint16], raw_min: NDArray[np.float32] | float, raw_max: NDArray[np.float32] | float
) -> NDArray[np.float32]:
    """The raw inverse depth back, to half a level of its range: min + d / 65535 (max - min).

    (..., H, W) uint16 with raw_min and raw_max of shape (...) -> (..., H, W) float32.
    """
    low, high = (np.asarray(value, np.float64)[..., None, None] for value in (raw_min, raw_max))
    return (low + depth / DEPTH_MAX * (high - low)).astype(np.float32)


def predicts(model_config: Any, asked: str = "auto") -> Literal["inverse_depth", "depth"]:
    """What a depth model's output means, by its configuration.

    Raises:
        ValueError: the model type is not one we know, and the caller did not say.
    """
    kind = asked
    if asked == "auto":
        estimates = str(getattr(model_config, "depth_estimation_type", ""))  # the Depth Anything family says it
        kind = {"relative": "inverse_depth", "metric": "depth"}.get(estimates) or _PREDICTS.get(
            model_config.model_type, ""
        )
    if kind not in ("inverse_depth", "depth"):
        raise ValueError(
            f"what depth models of type {model_config.model_type!r} predict is not known: "
            "pass --label.predicts inverse_depth (larger = nearer) or depth (larger = farther)"
        )
    return kind  # type: ignore[return-value]


def _dtype(name: str, device: str) -> torch.dtype:
    if name == "auto":
        return torch.float16 if device == "cuda" else torch.float32
    return getattr(torch, name)  # type: ignore[no-any-return]
