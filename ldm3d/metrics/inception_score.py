"""The Inception Score (arXiv 1606.03498): how sure a classifier is of each picture, and how varied its classes are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SPLITS, SEED = 10, 2020  # torch-fidelity's


def split_of(count: int, splits: int = SPLITS, seed: int = SEED) -> NDArray[np.int64]:
    """Return (count,): the split of each picture, the same as torch-fidelity's with that seed."""
    place = np.argsort(np.random.RandomState(seed).permutation(count))
    ends = np.arange(1, splits + 1) * count // splits
    return np.searchsorted(ends, place, side="right")


@dataclass(frozen=True, eq=False)
class InceptionScoreSums:
    """Sums over pictures in K splits, with C classes, in float64; they add up."""

    counts: NDArray[np.int64]
    """(K,), pictures."""
    certainty: Floats
    """(K,), sums of Σ p log p."""
    classes: Floats
    """(K, C), sums of p."""

    @classmethod
    def of(cls, logits: NDArray[np.floating], split: NDArray[np.int64], splits: int = SPLITS) -> "InceptionScoreSums":
        """Sum the class probabilities of N pictures.

        Args:
            logits: (N, C) from the classifier; for the published score, without the bias of its last layer.
            split: (N,), the split of each picture, 0 to `splits` - 1: see `split_of`.
        """
        wide = logits.astype(np.float64)
        wide -= wide.max(axis=1, keepdims=True)
        logs = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
        odds = np.exp(logs)
        member = (split[:, None] == np.arange(splits)).astype(np.float64)
        return cls(member.sum(axis=0).astype(np.int64), member.T @ (odds * logs).sum(axis=1), member.T @ odds)

    def __add__(self, other: "InceptionScoreSums") -> "InceptionScoreSums":
        return InceptionScoreSums(
            self.counts + other.counts, self.certainty + other.certainty, self.classes + other.classes
        )

    def score(self) -> tuple[float, float]:
        """Return mean and standard deviation over splits of exp(mean KL(p || q)), where q is the split's mean of p.

        Raises:
            ValueError: a split is empty.
        """
        if not self.counts.all():
            raise ValueError(f"splits of {self.counts.tolist()} pictures, wanted some in each: use more pictures")
        mean = self.classes / self.counts[:, None]
        logs = np.log(mean, out=np.zeros_like(mean), where=mean > 0)
        scores = np.exp(self.certainty / self.counts - (mean * logs).sum(axis=1))
        return float(scores.mean()), float(scores.std())
