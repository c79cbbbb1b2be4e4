"""Rows of `latents/v1`: distributions of latents, not scaled, and encoded captions."""

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

LATENT_SHAPE = "latent_shape"
"""The entry in a file's metadata for the shape of its latents, JSON [c, h, w]."""

TEXT_SHAPE = "text_shape"
"""The entry for the shape of encoded captions, JSON [L, D], if they are stored."""

LATENT_SUMS = "latent_sums"
"""The entry for the `LatentSums` of a file's pictures, without their mirror images."""

STORED = np.dtype("<f2")


class Latents(NamedTuple):
    """B posteriors, on the CPU, not scaled (`ldm3d.training.denoising.draw_latents` draws from them and scales)."""

    mean: "torch.Tensor"
    """(B, c, h, w) float16."""
    std: "torch.Tensor"
    """(B, c, h, w) float16."""


def decode_latents_rows(rows: pa.Table) -> Latents:
    """Decode the posteriors of some rows. It only copies memory, without a loop over rows.

    Args:
        rows: B rows with the columns mean and std, and the metadata of their file.

    Raises:
        ValueError: the metadata has no shape, or a row has another one.
    """
    import torch

    shape = _shape(rows.schema, LATENT_SHAPE)
    return Latents(*(torch.from_numpy(_decoded(rows, column, shape)) for column in ("mean", "std")))


def decode_text_rows(rows: pa.Table) -> "torch.Tensor":
    """Decode the captions of B rows with the column text: (B, L, D) float16, on the CPU.

    Raises:
        ValueError: the metadata has no shape, or a row has another one.
    """
    import torch

    return torch.from_numpy(_decoded(rows, "text", _shape(rows.schema, TEXT_SHAPE)))


def to_bytes(values: NDArray[np.float16]) -> list[bytes]:
    """Turn (B, ...) float16 into the B values of a column."""
    return [value.tobytes() for value in values.astype(STORED, copy=False)]


def _shape(schema: pa.Schema, entry: str) -> tuple[int, ...]:
    """Read a shape from a file's metadata."""
    text = (schema.metadata or {}).get(entry.encode())
    if text is None:
        raise ValueError(f"the metadata has no {entry}: give rows of latents/v1 as encode_latents writes them")
    return tuple(json.loads(text))


def _decoded(rows: pa.Table, column: str, shape: tuple[int, ...]) -> NDArray[np.float16]:
    """Decode a column to (B, *shape), a copy that may be written to."""
    values = pa.concat_arrays(rows[column].chunks)
    size = int(np.prod(shape)) * STORED.itemsize
    # an Arrow array of binary values is their bytes end to end, and the offsets between them
    _, offsets, content = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    if (np.diff(ends) != size).any():
        got = sorted(set(np.diff(ends).tolist()))
        raise ValueError(f"{column} has values of {got} bytes, wanted {size} for the shape {list(shape)}")
    found = np.frombuffer(content, STORED, len(values) * size // STORED.itemsize, offset=int(ends[0]))
    return found.astype(np.float16).reshape(len(values), *shape)
