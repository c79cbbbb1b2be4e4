"""Sets of pictures to be measured, cut into parts: a parquet file or some picture files each."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Self

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
    fingerprint: str
    """Hex digest of all bytes of the files, and of keys and numbers."""

    @classmethod
    def of(
        cls,
        files: tuple[str, ...],
        keys: NDArray[np.int64],
        numbers: NDArray[np.int32],
        captions: NDArray[np.uint64] | None,
        digests: list[str],
    ) -> Self:
        """Make a part, given the digest of each of its files."""
        digest = hashlib.sha256("".join(digests).encode() + keys.tobytes() + numbers.tobytes())
        return cls(files, keys, numbers, captions, digest.hexdigest())


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
        """Hex digest of the content of its files."""
        return hashlib.sha256("".join(part.fingerprint for part in self.parts).encode()).hexdigest()

    def names(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return keys and numbers of all pictures, in the order of the parts."""
        keys, numbers = [part.keys for part in self.parts], [part.numbers for part in self.parts]
        return np.concatenate(keys), np.concatenate(numbers)
