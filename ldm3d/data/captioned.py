"""What the U-Net is trained on: latents, or the pictures that they are still to be made of, with their captions."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

T = TypeVar("T")


class Captioned(NamedTuple, Generic[T]):
    """B samples, on the CPU.

    keys: (B,) int64, of the pictures
    captions: B
    content: `Latents` or `Pictures`
    """

    keys: NDArray[np.int64]
    captions: list[str]
    content: T


def decode_captioned(rows: pa.Table, decode: Callable[[pa.Table], Any]) -> Captioned[Any]:
    """Some rows of `latents/v1` or `rgbd/v1`.

    Args:
        rows: B rows with the columns key and caption, and those that `decode` needs.
        decode: `decode_latents_rows` or `decode_rgbd`; raises ValueError where a row is damaged.
    """
    return Captioned(rows["key"].to_numpy(), rows["caption"].to_pylist(), decode(rows))
