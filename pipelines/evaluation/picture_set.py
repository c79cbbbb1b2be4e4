"""Sets of pictures to be measured, cut into parts: a parquet file or some picture files each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that are read and committed together."""

    files: tuple[str, ...]
    """One parquet file, or picture files, relative to the set."""
    keys: NDArray[np.int64]
    """(N,), in the order of the pictures."""
    numbers: NDArray[np.int32]
    """(N,)."""
    captions: NDArray[np.uint64] | None
    """(N,), hashes of the captions; None if there are none."""
    digests: tuple[str, ...]
    """Hex digest of each file."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of all bytes of the files, and of keys and numbers."""
        return _fingerprint([self])


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures of one kind, such as the samples of one point of a grid."""

    name: str
    """As given in the settings; for a point of a grid, followed by a slash and the point's name."""
    url: str
    """The folder."""
    parts: list[Part]
    """Sorted by file name."""
    columns: dict[str, str]
    """Names of the columns in the files by meaning: `image`, and `caption` and `depth` if there are any. `image` is
    `file` for picture files."""
    about: dict[str, Any] = field(default_factory=dict)
    """The model and settings that drew it, as far as known: checkpoint, training_step, scheduler, guidance_scale,
    num_inference_steps, seed, sampling (other settings)."""

    @property
    def rows(self) -> int:
        return sum(len(part.keys) for part in self.parts)

    @property
    def fingerprint(self) -> str:
        """Hex digest of all bytes of its files, and of keys and numbers, however the files are cut into parts."""
        return _fingerprint(self.parts)

    def names(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return keys and numbers of all pictures, in the order of the parts."""
        keys, numbers = [part.keys for part in self.parts], [part.numbers for part in self.parts]
        return np.concatenate(keys), np.concatenate(numbers)


def _fingerprint(parts: Sequence[Part]) -> str:
    """Return the hex digest of the files, then the keys, then the numbers of all parts."""
    digest = hashlib.sha256("".join(file for part in parts for file in part.digests).encode())
    for part in parts:
        digest.update(part.keys.tobytes())
    for part in parts:
        digest.update(part.numbers.tobytes())
    return digest.hexdigest()
