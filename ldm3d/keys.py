"""The key of a row, and what is drawn from it: its place in the sample, its split and its seeds.

A key is a hash of the URL alone, so it means the same in every run, file and order, and everything random about a row
(sampling, splitting, later seeds) is a function of it.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import SelectConfig

SPLITS = ("train", "val", "test")
_SPLIT_SALT = 0x5EED_5A17  # keeps the split independent of the sampling order
_SEED_SALT = 0x5EED_D3A3  # keeps the noise of drawn samples independent of both
_HIDDEN_SALT = 0x5EED_B14D  # keeps what is drawn behind a panorama independent of how that was drawn
_POINT_SALT = 0x5EED_9017  # keeps the points on which their depth is compared independent, too


def make_key(url: str) -> int:
    """Return the first 8 bytes of SHA-256(url), big-endian, as a signed 64-bit integer."""
    return int.from_bytes(hashlib.sha256(url.encode()).digest()[:8], "big", signed=True)


def rank(keys: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Rank (N,) keys in a fixed pseudo-random order, (N,) uint64: a sample consists of the rows with the smallest
    ranks.

    One-to-one for a given seed. The mixing function is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    z = keys.astype(np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (seed + 1)) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def split_of(keys: NDArray[np.int64], config: SelectConfig) -> NDArray[np.str_]:
    """Assign (N,) keys to `SPLITS`, (N,) names. Each key is drawn by itself: more rows never move a row between
    splits."""
    share = rank(keys, config.seed + _SPLIT_SALT).astype(np.float64) / 2.0**64
    held_out = config.test_fraction + config.val_fraction
    return np.where(share < config.test_fraction, "test", np.where(share < held_out, "val", "train"))


def sample_seeds(keys: NDArray[np.int64], numbers: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the seeds that pictures are drawn from.

    Args:
        keys: (N,) keys of captions.
        numbers: (N,) index of each sample among those of its caption, from 0.
        seed: seed of the run.

    Returns:
        (N,) 0 to 4,294,967,295.
    """
    return _seeds(keys, numbers, seed + _SEED_SALT)


def point_seeds(keys: NDArray[np.int64], numbers: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the seeds that points of pictures are drawn from: (N,) keys and numbers -> (N,) 0 to 4,294,967,295."""
    return _seeds(keys, numbers, _POINT_SALT)


def hidden_seed(seed: int) -> int:
    """Return the seed that what a panorama hides is drawn from, given its own: 0 to 4,294,967,295 each.

    From the same noise a model would tend to draw the same things again, which are in front.
    """
    return int(rank(np.array([seed], np.int64), _HIDDEN_SALT)[0] >> np.uint64(32))


def _seeds(keys: NDArray[np.int64], numbers: NDArray[np.integer], salt: int) -> NDArray[np.int64]:
    of_keys = rank(keys, salt) + numbers.astype(np.uint64)
    return (rank(of_keys.view(np.int64), salt) >> np.uint64(32)).astype(np.int64)


def positions_of(wanted: NDArray[Any], among: NDArray[Any]) -> NDArray[np.intp]:
    """Return the position of each value in a sorted array.

    Args:
        wanted: (N,) in any order.
        among: (M,) ascending and distinct, of the same dtype; there may be a hundred million.

    Returns:
        (N,): -1 for a value that is not there.
    """
    if len(among) == 0:
        return np.full(len(wanted), -1)
    at = np.searchsorted(among, wanted).clip(max=len(among) - 1)
    return np.where(among[at] == wanted, at, -1)
