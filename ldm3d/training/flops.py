"""How much of a GPU a training uses: model FLOPs utilisation (Chowdhery et al. 2022, section 4.1)."""

import re
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")

# Dense half-precision tensor-core peaks from NVIDIA's data sheets, in FLOP/s, by words of the device's name. The
# first match counts. Words are whole: an L40 is no L4, and a GB200 no B200.
PEAKS = {
    "V100": 125e12,
    "T4": 65e12,
    "A100": 312e12,
    "A10": 125e12,
    "A10G": 125e12,
    "L40S": 362e12,
    "L4": 121e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "B200": 2_250e12,
}


def peak_flops(device: torch.device) -> float | None:
    """Return a device's peak FLOP/s; None if unknown, as for CPUs."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for words, peak in PEAKS.items() if re.search(rf"\b{words}\b", name)), None)


def count_flops(call: Callable[[], T]) -> tuple[T, int]:
    """Return a call's result, and the floating-point operations of its matrix products and convolutions.

    Backward passes are included. Activations that are computed twice (gradient checkpointing) count twice.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        result = call()
    return result, counter.get_total_flops()
