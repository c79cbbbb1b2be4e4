"""Features and class scores of pictures: what FID, KID and the Inception Score are made of."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.measures.batch import Batch


class FeatureNetwork(Protocol):
    """A classifier on one device.

    fingerprint: of weights and preprocessing. widths: D of features, C of classes.
    """

    fingerprint: str
    widths: tuple[int, int]

    def __call__(self, pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8 RGB -> features (B, D) and class scores before the softmax (B, C), float32."""


class Features:
    """The measure: `pool`, list<float32>[D], and `logits`, list<float32>[C]."""

    def __init__(self, network: FeatureNetwork, batch_size: int) -> None:
        self.network, self.batch_size = network, batch_size
        features, classes = network.widths
        self.columns = pa.schema(
            [("pool", pa.list_(pa.float32(), features)), ("logits", pa.list_(pa.float32(), classes))]
        )

    @property
    def fingerprint(self) -> str:
        return self.network.fingerprint

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> pa.Table:
        found = [np.empty((len(batch), width), np.float32) for width in self.network.widths]
        for places in same_size(batch.images, self.batch_size):
            for values, answer in zip(found, self.network(np.stack([batch.images[at] for at in places])), strict=True):
                values[places] = answer.float().cpu().numpy()
        columns = [_lists(values) for values in found]
        return pa.Table.from_arrays(columns, schema=self.columns)


def same_size(images: Sequence[NDArray[np.uint8]], most: int) -> Iterator[list[int]]:
    """Where pictures of one size are, at most so many at a time."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(place)
    for places in by_size.values():
        yield from (places[start : start + most] for start in range(0, len(places), most))


def _lists(values: NDArray[np.float32]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
