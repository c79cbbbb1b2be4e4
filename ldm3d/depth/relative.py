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


# Weights that classes of transformers have and no pass goes through. Intel/dpt-large comes without the first ones.
_NEEDLESS = ("fusion_stage.layers.0.residual_layer1.", "mask_token")


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
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model, processor = load_depth_model(
            "label.depth_model", config.depth_model, config.revision, _dtype(config.dtype, device)
        )
        return cls(model.to(device), processor, inverts=predicts(model.config, config.predicts) == "depth")

    def __call__(self, images: NDArray[np.uint8]) -> DepthLabels:
        """N x S x S x 3 uint8 RGB -> labels at the same size, in one forward pass."""
        return quantise(self.inverse_depth(images))

    @torch.inference_mode()
    def inverse_depth(self, images: NDArray[np.uint8]) -> torch.Tensor:
        """(N, H, W, 3) uint8 RGB -> (N, H, W) float32 on the model's device, larger = nearer: labels before rounding.

        Where the model predicts metric depth it is 1 / m, of any scale and shift otherwise.
        """
        device, dtype = self.model.device, self.model.dtype
        pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
        inputs = self.processor(images=list(pixels), return_tensors="pt", device=device)
        predicted = self.model(pixel_values=inputs["pixel_values"].to(dtype)).predicted_depth.float()
        if self.inverts:
            predicted = 1 / torch.where(predicted > 0, predicted, FARTHEST_M).clamp(max=FARTHEST_M)
        height, width = images.shape[1:3]
        above, left = self._padding(height), self._padding(width)
        padded = resize(predicted, (height + 2 * above, width + 2 * left))
        return padded[:, above : above + height, left : left + width]

    def _padding(self, side: int) -> int:
        """Pixels by which the processor enlarges a picture of so many on each side."""
        return int(math.sqrt(side / 2) * 3) if is_padded(self.processor) and self.processor.do_pad else 0


def is_padded(processor: Any) -> bool:
    """Whether an image processor may enlarge pictures before the model sees them: ZoeDepth's alone does."""
    return type(processor).__name__.startswith("ZoeDepth")  # it has several, by version and back end


def load_depth_model(setting: str, model: str, revision: str | None, dtype: torch.dtype) -> tuple[Any, Any]:
    """A depth model of transformers on the CPU, in evaluation mode, and its image processor.

    Args:
        setting: what the flag is called that names it, for messages.
        model: hub id or local path.
        revision: commit on the hub; None is its main branch.

    Raises:
        ValueError: it cannot be loaded, or lacks weights, which transformers would draw at random.
    """
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    name = f"{setting} {model!r} (revision {revision!r})"
    try:
        processor = AutoImageProcessor.from_pretrained(model, revision=revision)
        network, found = AutoModelForDepthEstimation.from_pretrained(
            model, revision=revision, dtype=dtype, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name} did not load: {error}. "
            "Give a folder written by save_pretrained, or a hub id that every node can reach or has cached."
        ) from error
    needless = {weight for weight in found["missing_keys"] if any(part in weight for part in _NEEDLESS)}
    if missing := sorted(found["missing_keys"] - needless):
        raise ValueError(
            f"{name} lacks {len(missing)} weights, {missing[0]} first: it was made for something else than depth, or "
            "its file is cut short; give a model that was trained to estimate depth"
        )
    for weight in needless:  # drawn at random otherwise, and the model would have another fingerprint each time
        torch.nn.init.zeros_(network.get_parameter(weight))
    return network.eval(), processor


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


def predicts(
    model_config: Any,
    asked: str = "auto",
    advice: str = "pass --label.predicts inverse_depth (larger = nearer) or depth (larger = farther)",
) -> Literal["inverse_depth", "depth"]:
    """What a depth model's output means, by its configuration.

    Args:
        asked: what the caller says it means; `auto` is for the configuration to say.
        advice: what to do where neither says it, for the message.

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
        raise ValueError(f"what depth models of type {model_config.model_type!r} predict is not known: {advice}")
    return kind  # type: ignore[return-value]


def _dtype(name: str, device: str) -> torch.dtype:
    if name == "auto":
        return torch.float16 if device == "cuda" else torch.float32
    return getattr(torch, name)  # type: ignore[no-any-return]
