"""Images -> depth labels, on GPU actors."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ldm3d.config import LabelConfig
from ldm3d.depth.relative import DepthLabels
from ldm3d.images import decode_rgb
from ldm3d.reject import Reason
from pipelines.storage.parquet import with_columns
from pipelines.workers.resources import prepare_process

DECODE_THREADS = 4  # per actor; a batch is decoded while the one before it is labelled


@dataclass(frozen=True)
class Label:
    """The label of one row."""

    depth: bytes = b""
    """Of S x S uint16, larger = nearer; empty where there is a fault."""
    low: float = 0.0
    """The raw inverse depth at 0."""
    high: float = 0.0
    """The raw inverse depth at 65,535."""
    seconds: float = 0.0
    """Time that it took on the device."""
    fault: str = ""
    """Why there is no label; empty otherwise."""


def with_labels(rows: pa.Table, labels: dict[int, Label]) -> pa.Table:
    """Add labels to rows, by place; rows whose label has a fault are rejected. OUTPUT as of `DepthLabeler`."""
    found = [labels.get(place, Label()) for place in range(rows.num_rows)]
    faults = pa.array([label.fault for label in found], pa.string())
    failed = pc.not_equal(faults, "")
    return with_columns(
        rows,
        depth=pa.array([label.depth for label in found], pa.large_binary()),
        depth_min=pa.array([label.low for label in found], pa.float32()),
        depth_max=pa.array([label.high for label in found], pa.float32()),
        device_seconds=pa.array([label.seconds for label in found], pa.float32()),
        reason=pc.if_else(failed, str(Reason.DEPTH_FAILED), rows["reason"]),
        stage=pc.if_else(failed, "label", rows["stage"]),
        detail=pc.if_else(failed, faults, rows["detail"]),
    )


Estimator = Callable[[NDArray[np.uint8]], DepthLabels]
"""Labels a batch: N x S x S x 3 uint8 RGB."""


class DepthLabeler:
    """One depth model on one device.

    INPUT   image: S x S JPEG, one S for all; reason: "" for rows that are still good
    OUTPUT  depth: the bytes of S x S uint16, larger = nearer, empty where rejected; depth_min, depth_max: float32;
            device_seconds: float32, the device time of the row
    Fan-out 1:1; a row that cannot be labelled keeps its place and carries a reason.

    Two calls may run at once: while the device works on one shard, the previous one is handed to Ray and the next one
    is decoded. A lock gives the device to one call at a time.
    """

    def __init__(
        self,
        config: LabelConfig,
        cpus: float = 1.0,
        make_estimator: Callable[[LabelConfig], Estimator] | None = None,
    ) -> None:

        from ldm3d.depth.relative import DepthEstimator

        prepare_process(cpus)
        self.batch_size = config.batch_size
        self.estimate = (make_estimator or DepthEstimator.from_pretrained)(config)
        self.device = threading.Lock()
        self.decoders, self.stacker = ThreadPoolExecutor(DECODE_THREADS), ThreadPoolExecutor(1)

    def __call__(self, rows: pa.Table) -> pa.Table:
        good = np.flatnonzero(pc.equal(rows["reason"], "").to_numpy())
        found: dict[int, Label] = {}
        for places, labels, seconds in self._labels(good, rows["image"].take(good).to_pylist()):
            each = zip(places.tolist(), labels.depth, labels.raw_min, labels.raw_max, labels.is_finite, strict=True)
            for place, depth, low, high, finite in each:
                fault = "" if finite else "the depth map holds values that are not finite"
                found[place] = Label(depth.tobytes() if finite else b"", low, high, seconds / len(places), fault)
        return with_labels(rows, found)

    def _labels(
        self, good: NDArray[np.int64], images: list[bytes]
    ) -> list[tuple[NDArray[np.int64], DepthLabels, float]]:
        """Label batch by batch, while the next batch is decoded. Returns (places, labels, seconds on the device).

        The last batch is padded to the full size: in floating point a label depends on the shape of its batch, but not
        on its neighbours. So with one shape it depends on its own image alone.
        """
        found = []
        ahead = self._decode(images[: self.batch_size])
        with self.device:
            for start in range(0, len(images), self.batch_size):
                batch, following = ahead.result(), start + self.batch_size
                ahead = self._decode(images[following : following + self.batch_size])
                began = time.perf_counter()
                labels = self.estimate(batch).first(len(images[start:following]))
                found.append((good[start:following], labels, time.perf_counter() - began))
        return found

    def _decode(self, images: list[bytes]) -> Future[NDArray[np.uint8]]:
        """Start to decode a batch in threads: OpenCV releases the interpreter lock."""
        return self.stacker.submit(_stack, self.decoders.map(decode_rgb, images), self.batch_size)


def _stack(images: Iterator[NDArray[np.uint8]], size: int) -> NDArray[np.uint8]:
    """Stack pictures to (size, S, S, 3), repeating the last one where they are fewer. Empty where there are none."""
    batch = list(images)
    return np.stack(batch + batch[-1:] * (size - len(batch))) if batch else np.empty(0, np.uint8)
