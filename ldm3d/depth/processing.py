"""A depth model's image processor: pictures to what the network takes, and its maps back to the pictures.

Resampling is that of `post_process_depth_estimation` of the processor's own family. It takes ZoeDepth's padding off,
but not that of the other families, which is cut off here.
"""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def check_processor(processor: Any, name: str) -> None:
    """Check that maps can be laid on whole pictures again.

    Args:
        name: of the model, for messages.

    Raises:
        ValueError: the processor is not one for depth models, crops pictures, or pads them in a way we do not know.
    """
    kind, file = type(processor).__name__, "its preprocessor_config.json"
    if not hasattr(processor, "post_process_depth_estimation"):
        raise ValueError(f"{name} has the image processor {kind}, wanted that of a depth model: correct {file}")
    if getattr(processor, "do_center_crop", False):
        raise ValueError(
            f'{name}: its {kind} crops pictures, wanted whole ones: put "do_center_crop": false into {file}'
        )
    if _pads(processor) and not getattr(processor, "size_divisor", None):
        raise ValueError(
            f"{name}: its {kind} pads pictures, but not to a multiple of a size_divisor, wanted a padding that can be "
            f'cut off: put "do_pad": false or the "size_divisor" into {file}'
        )


def to_network(processor: Any, images: NDArray, device: torch.device) -> Tensor:
    """Prepare pictures: (N, H, W, 3) uint8 RGB -> (N, 3, h, w) float, on the device."""
    pictures = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
    pixels: Tensor = processor(images=list(pictures), return_tensors="pt", device=device)["pixel_values"]
    return pixels


def to_pictures(processor: Any, outputs: Any, images: NDArray, pixels: Tensor) -> Tensor:
    """Lay maps on the pictures: (N, h', w') `outputs.predicted_depth` -> (N, H, W) float32.

    As `post_process_depth_estimation` does, these are metres for Depth Pro, whose `predicted_depth` is 1 / m; for the
    other families they mean what `predicted_depth` means.

    Args:
        outputs: of the model; changed.
        images, pixels: what `to_network` took and returned.
    """
    outputs.predicted_depth = outputs.predicted_depth.float()
    if getattr(outputs, "field_of_view", None) is not None:  # of Depth Pro
        outputs.field_of_view = outputs.field_of_view.float()
    size = (images.shape[1], images.shape[2])
    if not _pads(processor):
        return _post_processed(processor, outputs, size)
    padded = (pixels.shape[2], pixels.shape[3])
    inner = processor(images=images[:1].transpose(0, 3, 1, 2), return_tensors="pt", do_pad=False)[
        "pixel_values"
    ].shape[2:]
    above, left = ((whole - part) // 2 for whole, part in zip(padded, inner, strict=True))
    maps = _post_processed(processor, outputs, padded)[:, above : above + inner[0], left : left + inner[1]]
    if tuple(inner) == size:
        return maps
    outputs.predicted_depth = maps
    return _post_processed(processor, outputs, size)


def post_processing_inverts(processor: Any) -> bool:
    """Whether post-processing inverts what the model predicts: that of Depth Pro does."""
    return type(processor).__name__.startswith("DepthPro")  # one of several, by version and back end


def _post_processed(processor: Any, outputs: Any, size: tuple[int, int]) -> Tensor:
    """Resize maps to pictures of a size by the method of the processor's family. (N, h', w') -> (N, *size)."""
    # ZoeDepth's wants the source size, to remove its padding, and takes it as the target size too
    argument = "source_sizes" if _is_zoedepth(processor) else "target_sizes"
    sizes = {argument: [size] * len(outputs.predicted_depth)}
    maps = processor.post_process_depth_estimation(outputs, **sizes)
    return torch.stack([each["predicted_depth"] for each in maps]).view(-1, *size)


def _pads(processor: Any) -> bool:
    """Whether the processor pads pictures, centred, and its post-processing leaves the padding."""
    return bool(getattr(processor, "do_pad", False)) and not _is_zoedepth(processor)


def _is_zoedepth(processor: Any) -> bool:
    return type(processor).__name__.startswith("ZoeDepth")
