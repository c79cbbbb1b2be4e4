"""Depth labels: 16-bit relative inverse depth, larger = nearer, from any transformers depth model."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the name the whole field uses
from numpy.typing import NDArray

from ldm3d.config import LabelConfig
from ldm3d.models.precision import dtype_of
from ldm3d.rgbd import DEPTH_MAX

FARTHEST_M = 1_000.0  # metric depth is inverted; depth that is larger, or not positive, counts as this

# What `predicted_depth` means, by the model type in its configuration.
# Depth Pro predicts 1 / m at a focal length of the image's width; transformers' post-processing inverts it, we do not.
_PREDICTS = {"dpt": "inverse_depth", "zoedepth": "depth", "glpn": "depth", "depth_pro": "inverse_depth"}

# DPT is an architecture, too. With these encoders it is MiDaS, which predicts inverse depth; with others, such as
# DINOv2, it was also trained for metres (NYU, KITTI), and its configuration does not say which.
_MIDAS_ENCODERS = ("vit", "bit", "beit", "swin", "swinv2", "levit")

# Weights that transformers' classes have but never use. Intel/dpt-large comes without the first ones.
_NEEDLESS = ("fusion_stage.layers.0.residual_layer1.", "mask_token")


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

    def __call__(self, images: NDArray[np.uint8]) -> DepthLabels:
        """Label (N, S, S, 3) uint8 RGB images at the same size, in one forward pass."""
        return quantise(self.inverse_depth(images))

    @torch.inference_mode()
    def inverse_depth(self, images: NDArray[np.uint8]) -> torch.Tensor:
        """Estimate labels before quantisation: (N, H, W, 3) uint8 RGB -> (N, H, W) float32, larger = nearer.

        The result is on the model's device. It is in 1 / m if the model predicts metric depth, otherwise of any scale
        and shift.
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
        """Return by how many pixels the processor pads a picture of `side` pixels at either end."""
        if is_padded(self.processor) and self.processor.do_pad:
            return int(math.sqrt(side / 2) * 3)
        return 0


def is_padded(processor: Any) -> bool:
    """Whether an image processor may pad pictures: only ZoeDepth's does."""
    return type(processor).__name__.startswith("ZoeDepth")  # one of several, by version and back end


def load_depth_model(setting: str, model: str, revision: str | None, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load a depth model of transformers on the CPU, in evaluation mode, and its image processor.

    Args:
        setting: the flag that names the model, for messages.
        model: hub id or local path.
        revision: commit on the hub; None is its main branch.

    Raises:
        ValueError: it cannot be loaded, or lacks weights, which transformers would fill at random.
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
            f"{name} did not load ({error}): "
            "give a folder written by save_pretrained, or a hub id that every node can reach or has cached"
        ) from error
    needless = {weight for weight in found["missing_keys"] if any(part in weight for part in _NEEDLESS)}
    if missing := sorted(found["missing_keys"] - needless):
        raise ValueError(
            f"{name} lacks weights ({len(missing)}, {missing[0]} first): it is not a depth model, or its file is cut "
            "short; give a model that was trained to estimate depth"
        )
    for weight in needless:  # left random, they would change the model's fingerprint each time
        torch.nn.init.zeros_(network.get_parameter(weight))
    return network.eval(), processor


def resize(depth: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Resize maps: (N, h, w) float -> (N, *size) float, bicubic as in the DPT repository (align_corners off)."""
    return F.interpolate(depth[:, None], size=size, mode="bicubic", align_corners=False)[:, 0]


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


def predicts(
    model_config: Any,
    asked: str = "auto",
    advice: str = "pass --label.predicts inverse_depth (larger = nearer) or depth (larger = farther)",
) -> Literal["inverse_depth", "depth"]:
    """Return what a depth model's output means.

    Args:
        asked: what the caller says it means; `auto` reads it from the configuration.
        advice: for the message if neither says it: what to do.

    Raises:
        ValueError: the model type is not one we know, and the caller did not say.
    """
    kind = asked
    if asked == "auto":
        estimates = str(getattr(model_config, "depth_estimation_type", ""))  # set by the Depth Anything family
        by_type = _PREDICTS.get(model_config.model_type, "") if _is_known(model_config) else ""
        kind = {"relative": "inverse_depth", "metric": "depth"}.get(estimates, by_type)
    if kind not in ("inverse_depth", "depth"):
        encoder = "" if _is_known(model_config) else f" with the encoder {_encoder(model_config)!r}"
        raise ValueError(
            f"the depth model's type {model_config.model_type!r}{encoder} does not say what it predicts: {advice}"
        )
    return kind  # type: ignore[return-value]


def _is_known(model_config: Any) -> bool:
    """Return whether the type says it all; of DPT, whether it is MiDaS."""
    return model_config.model_type != "dpt" or _encoder(model_config) in _MIDAS_ENCODERS


def _encoder(model_config: Any) -> str:
    """Return the model type of the encoder; DPT's own is a ViT."""
    backbone = getattr(model_config, "backbone_config", None)
    if backbone is None:
        return str(getattr(model_config, "backbone", None) or "vit")  # a name on the hub, or of timm
    return str(backbone["model_type"] if isinstance(backbone, dict) else backbone.model_type)
