"""Features and class scores of pictures, from which FID, KID and the Inception Score are computed."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.measures.batch import Batch, lists


class Classifier(Protocol):
    """A classifier of pictures on one device."""

    fingerprint: str
    """Hex digest of weights and preprocessing."""
    widths: tuple[int, int]
    """D features, C classes."""

    def __call__(self, pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8 RGB -> features (B, D) and class scores before the softmax (B, C), float32."""


class FeatureNetwork:
    """Measures `pool`, list<float32>[D], and `logits`, list<float32>[C], with a classifier."""

    def __init__(self, classifier: Classifier, batch_size: int) -> None:
        self.classifier, self.batch_size, self.fingerprint = classifier, batch_size, classifier.fingerprint
        features, classes = classifier.widths
        self.columns = pa.schema(
            [("pool", pa.list_(pa.float32(), features)), ("logits", pa.list_(pa.float32(), classes))]
        )

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> pa.Table:
        pool, logits = (np.empty((len(batch), width), np.float32) for width in self.classifier.widths)
        for places in same_size(batch.images, self.batch_size):
            features, scores = self.classifier(np.stack([batch.images[place] for place in places]))
            pool[places] = features.float().cpu().numpy()
            logits[places] = scores.float().cpu().numpy()
        return pa.Table.from_arrays([lists(pool), lists(logits)], schema=self.columns)


def same_size(images: Sequence[NDArray[np.uint8]], most: int) -> Iterator[list[int]]:
    """Yield places of pictures that share a size, at most `most` at a time."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(place)
    for places in by_size.values():
        yield from (places[start : start + most] for start in range(0, len(places), most))
