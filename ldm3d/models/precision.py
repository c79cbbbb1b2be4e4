"""The precision in which networks run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "fp16", "bf16"]
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def dtype_of(precision: Precision, device: str) -> torch.dtype:
    """Return the torch dtype; `auto` is fp16 on `cuda` and fp32 elsewhere."""
    if precision == "auto":
        precision = "fp16" if device == "cuda" else "fp32"
    return DTYPES[precision]


@contextmanager
def full_float32() -> Iterator[None]:
    """Switch TF32 off in convolutions and matrix products on GPUs, and restore the settings afterwards."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
