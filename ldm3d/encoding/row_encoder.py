"""Rows of a corpus -> posteriors of their latents, and encoded captions."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.data.pictures import Pictures, decode_square
from ldm3d.reject import Reason, Rejected

if TYPE_CHECKING:
    from ldm3d.encoding.caption_encoder import CaptionEncoder
    from ldm3d.encoding.latent_encoder import LatentEncoder

DECODE_THREADS = 4  # a batch is decoded while the one before it is encoded


class EncodedRows(NamedTuple):
    """N encoded rows in V views: the picture, and its mirror image if that was asked for.

    Values of a rejected row must not be used.
    """

    mean: NDArray[np.float16]
    """(V, N, c, h, w)."""
    std: NDArray[np.float16]
    """(V, N, c, h, w)."""
    rejected: dict[int, Rejected]
    """Rejected rows by place, 0 to N - 1."""
    device_s: float
    """Seconds on the device."""
    text: NDArray[np.float16] | None = None
    """(N, L, D); None if captions are not encoded."""


class RowEncoder:
    """A picture encoder, a caption encoder if captions are wanted, and threads that decode pictures for them.

    Two calls may run at once: while one holds the device, the first pictures of the other are decoded.
    """

    def __init__(
        self,
        encoder: "LatentEncoder",
        image_size: int,
        latent_shape: tuple[int, int, int],
        captions: "CaptionEncoder | None" = None,
    ) -> None:
        """Start the threads.

        Args:
            image_size: S in pixels; pictures of another size are rejected.
            latent_shape: (c, h, w) of the latent of an S x S picture.
        """
        self.encoder, self.captions = encoder, captions
        self.image_size, self.latent_shape = image_size, latent_shape
        self.device = threading.Lock()
        self.decoders, self.stacker = ThreadPoolExecutor(DECODE_THREADS), ThreadPoolExecutor(1)

    def __call__(self, rows: pa.Table, *, flips: bool) -> EncodedRows:
        """Encode some rows.

        Args:
            rows: N rows with the columns image, depth and caption of `rgbd/v1`.
            flips: encode mirror images too. A row is rejected if either view fails.
        """
        size, count = self.encoder.batch_size, rows.num_rows
        views = (False, True) if flips else (False,)
        mean, std = (np.zeros((len(views), count, *self.latent_shape), np.float16) for _ in range(2))
        rejected: dict[int, Rejected] = {}
        device_s = 0.0
        # one batch is decoded ahead, also before the device is free
        ahead = self.stacker.submit(self._decode, rows, 0)
        with self.device:
            for start in range(0, count, size):
                batch = ahead.result()
                ahead = self.stacker.submit(self._decode, rows, start + size)
                rejected |= batch.rejected
                if batch.pictures is None:
                    continue
                began = time.perf_counter()
                for view, flipped in enumerate(views):
                    found = self.encoder(batch.pictures, flipped=flipped)
                    mean[view, batch.places], std[view, batch.places] = found.mean, found.std
                    rejected |= {batch.places[index]: _failed() for index in np.flatnonzero(~found.is_finite)}
                device_s += time.perf_counter() - began
            began = time.perf_counter()
            text = self.captions(rows["caption"].to_pylist()) if self.captions else None
            device_s += time.perf_counter() - began
        return EncodedRows(mean, std, _failed_captions(text) | rejected, device_s, text)

    def _decode(self, rows: pa.Table, start: int) -> "_Batch":
        """Decode the batch that begins at `start`; empty beyond the last row. OpenCV releases the interpreter lock."""
        part = rows.slice(start, self.encoder.batch_size)
        found = list(self.decoders.map(self._square, part["image"].to_pylist(), part["depth"].to_pylist()))
        rejected = {start + index: each for index, each in enumerate(found) if isinstance(each, Rejected)}
        squares = {start + index: each for index, each in enumerate(found) if not isinstance(each, Rejected)}
        pictures = Pictures.of(*zip(*squares.values(), strict=True)) if squares else None
        return _Batch(list(squares), pictures, rejected)

    def _square(
        self, image: dict[str, bytes], depth: dict[str, bytes]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16]] | Rejected:
        try:
            return decode_square(image["bytes"], depth["bytes"], self.image_size)
        except Rejected as rejected:
            return rejected


class _Batch(NamedTuple):
    """A decoded batch."""

    places: list[int]
    """Of the rows that decoded."""
    pictures: Pictures | None
    """Theirs, in that order; None if there are none."""
    rejected: dict[int, Rejected]
    """The other rows, by place."""


def _failed_captions(text: NDArray[np.float16] | None) -> dict[int, Rejected]:
    if text is None:
        return {}
    bad = np.flatnonzero(~np.isfinite(text).all(axis=(1, 2)))
    return {int(place): Rejected(Reason.ENCODE_FAILED, "its encoded caption is beyond float16") for place in bad}


def _failed() -> Rejected:
    return Rejected(Reason.ENCODE_FAILED, "the posterior holds values that are not finite, or beyond float16")
