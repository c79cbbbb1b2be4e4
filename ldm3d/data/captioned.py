"""Training samples of the U-Net: captions with latents, or with pictures still to be encoded."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.data.latents import decode_text_rows

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Captioned(NamedTuple, Generic[T]):
    """B samples, on the CPU."""

    keys: NDArray[np.int64]
    """(B,), of the pictures."""
    captions: list[str]
    content: T
    """`Latents` or `Pictures`."""
    text: "torch.Tensor | None"
    """(B, L, D) float16, encoded captions; None if they are still to be encoded."""


def decode_captioned(rows: pa.Table, decode: Callable[[pa.Table], Any]) -> Captioned[Any]:
    """Decode some rows of `latents/v1` or `rgbd/v1`.

    Args:
        rows: B rows with the columns key and caption, text if it is stored, and those that `decode` needs.
        decode: `decode_latents_rows` or `decode_rgbd`; raises ValueError if a row is damaged.
    """
    text = decode_text_rows(rows) if "text" in rows.column_names else None
    return Captioned(rows["key"].to_numpy(), rows["caption"].to_pylist(), decode(rows), text)
