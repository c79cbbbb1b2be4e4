"""Batches of pictures, and the protocol of the networks that measure them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """N pictures."""

    keys: NDArray[np.int64]
    """(N,). Key and number together name a picture within its set."""
    numbers: NDArray[np.int32]
    """(N,)."""
    images: Sequence[NDArray[np.uint8]]
    """N, each H x W x 3 RGB; sizes may differ."""
    captions: Sequence[str] | None = None
    """N; None if the set has none."""
    depths: Sequence[NDArray[np.uint16]] | None = None
    """N, each H x W, relative inverse depth, larger = nearer; None if the set has none."""

    def __len__(self) -> int:
        return len(self.images)


class Network(Protocol):
    """One or more networks on one device that measure pictures.

    A row depends on its picture alone, not on the rest of the batch, except for the order in which the device adds:
    about 1e-6 of a feature.
    """

    columns: pa.Schema
    """The schema of the rows: `list<float32>[D]` for features, `float64` for scores."""
    fingerprint: str
    """Hex digest of everything that decides a row: weights, preprocessing, settings."""

    def __call__(self, batch: Batch) -> pa.Table:
        """Return N rows of `columns` in the order of the batch, NaN where a picture cannot be measured."""


CLIP_COLUMNS = pa.schema([("clip", pa.float64())])


def clip_table(scores: NDArray[np.float64], embeddings: NDArray[np.float32] | None) -> pa.Table:
    """Make the rows of `clip`, (N,), and of `embedding` if there are any, (N, D)."""
    table = pa.table({"clip": scores}, schema=CLIP_COLUMNS)
    return table if embeddings is None else table.append_column("embedding", lists(embeddings))


def lists(values: NDArray[np.float32]) -> pa.Array:
    """Make a column of features, `list<float32>[D]`, of (N, D)."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
