"""Pictures to be measured, and what measures them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """N pictures.

    keys: (N,) int64, numbers: (N,) int32, which together name a picture in its set.
    images: N, each H x W x 3 uint8 RGB; sizes may differ.
    captions: N; None where the set has none.
    depths: N, each H x W uint16, relative inverse depth, larger = nearer; None where the set has none.
    """

    keys: NDArray[np.int64]
    numbers: NDArray[np.int32]
    images: Sequence[NDArray[np.uint8]]
    captions: Sequence[str] | None = None
    depths: Sequence[NDArray[np.uint16]] | None = None

    def __len__(self) -> int:
        return len(self.images)


class Measure(Protocol):
    """A network, or several, on one device.

    What it says of a picture depends on that picture alone, not on its batch, but for the order in which a device
    adds: about 1e-6 of a feature.
    """

    @property
    def columns(self) -> pa.Schema:
        """What it gives: `list<float32>[D]` of features, `float64` of figures."""

    @property
    def fingerprint(self) -> str:
        """Hex: of everything that decides a row of a picture: weights, preprocessing, settings."""

    def __call__(self, batch: Batch) -> pa.Table:
        """N rows of `columns`, in the order of the batch; NaN where a picture cannot be measured."""


COLUMNS = pa.schema([("clip", pa.float64())])
