"""From the numbers of a map to distances in metres, by what they are said to mean."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthMeaningConfig
from ldm3d.immersive.displacement import Displacement
from ldm3d.rgbd import DEPTH_MAX

Kind = Literal["distance", "z", "inverse", "relative"]
FLAG = "--depth.kind"
FAR_M = 100.0  # in pictures of which nothing is nearer there is little to see in space


def shares_of(numbers: NDArray[Any], config: DepthMeaningConfig) -> NDArray[np.uint16]:
    """Return relative depth, (H, W) uint16, larger is nearer, of a map that is said to hold it.

    Args:
        numbers: (H, W): uint16, uint8, or floats from 0 to 1.
        config: says whether it is inverted.

    Raises:
        ValueError: it holds others, or NaN.
    """
    if numbers.dtype.kind == "f":
        if not ((numbers >= 0) & (numbers <= 1)).all():  # NaN is not
            low, high = (f"{bound(numbers):g}" for bound in (np.min, np.max))
            raise ValueError(
                f"relative depth is {low} to {high}, wanted 0 to 1 and no NaN: say by {FLAG} that it is distance or "
                "inverse, or normalise it over the whole picture"
            )
        shares = np.round(numbers.astype(np.float64) * DEPTH_MAX).astype(np.uint16)
    elif numbers.dtype.kind == "u" and numbers.dtype.itemsize <= 2:
        shares = numbers.astype(np.uint16) * np.uint16(1 if numbers.dtype.itemsize == 2 else 257)
    else:
        raise ValueError(f"relative depth is {numbers.dtype}, wanted integers of 8 or 16 bits, or floats from 0 to 1")
    return DEPTH_MAX - shares if config.invert else shares


def displacement_of(config: DepthMeaningConfig) -> Displacement:
    """Return what relative depth means, after `shares_of` has turned it.

    Raises:
        ValueError: one of --depth.near and --depth.far is given without the other.
    """
    if (config.near is None) != (config.far is None):
        raise ValueError(
            f"--depth.near is {config.near} and --depth.far {config.far}, wanted both or neither for relative depth, "
            "which has no unit"
        )
    if config.near is not None and config.far is not None:
        return Displacement.between(config.near, config.far, config.rule)
    return Displacement(config.rule, config.amount, config.radius)


def distance_of(numbers: NDArray[Any], kind: Kind, config: DepthMeaningConfig) -> NDArray[np.float64]:
    """Return distances in metres, (H, W), NaN where unknown, of a map that is said to hold distance, z or inverse.

    0 and NaN are unknown in a map of distances or z, NaN alone in one of inverse distances.

    Raises:
        ValueError: a number is negative, none is above 0, or one is infinitely far and --depth.far is not given.
    """
    values = numbers.astype(np.float64) * config.scale
    known = values[~np.isnan(values)]
    if (known < 0).any():
        raise ValueError(f"depth holds negative numbers, down to {known.min():g}, wanted {_wanted(kind)}")
    if not (known > 0).any():
        raise ValueError(f"depth holds no number above 0, wanted {_wanted(kind)}")
    if kind == "inverse":
        with np.errstate(divide="ignore"):
            distance = 1 / values
    else:
        distance = np.where(values == 0, np.nan, values)
    if np.isinf(distance).any() and config.far is None:
        raise ValueError("depth holds what is infinitely far: say by --depth.far where it is put, in metres")
    if (distance == 0).any():
        raise ValueError(f"depth holds infinite numbers, wanted {_wanted(kind)}")
    return np.clip(distance, config.near, config.far) if config.near or config.far else distance


def is_perhaps_millimetres(numbers: NDArray[Any], kind: Kind, config: DepthMeaningConfig) -> bool:
    """Say whether a map that is said to hold metres looks like one of millimetres: whole numbers, none from 1 to 100.

    Sensors write millimetres as 16-bit integers. Landscapes may have such metres, so that it can only be asked.

    Args:
        numbers: (H, W), as in the file, where 0 is unknown.
        config: a scale other than 1 says that someone thought of the unit.
    """
    if kind not in ("distance", "z") or numbers.dtype.kind not in "ui" or config.scale != 1:
        return False
    known = numbers[numbers != 0]
    return bool(known.size and known.min() > FAR_M)


def _wanted(kind: Kind) -> str:
    meant = {"distance": "metres along the ray", "z": "metres along the axis", "inverse": "1 / metres"}
    return f"{meant[kind]}: {FLAG} says {kind}"
