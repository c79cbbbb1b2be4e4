"""What a request is told. One of `Done`, `Cancelled` and `Failed` ends it, and nothing comes after that."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.sampling.samples import Sample


@dataclass(frozen=True, eq=False)
class Picture:
    """A small picture, a pixel for each latent."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""
    depth: NDArray[np.uint16] | None
    """(h, w) relative inverse depth, larger = nearer; None if the model draws none."""


@dataclass(frozen=True)
class Event:
    """Something happened to a request."""

    identity: str
    """The request's."""


@dataclass(frozen=True)
class Step(Event):
    """A step was taken."""

    step: int
    """From 1 to `steps`, which are calls of the U-Net."""
    steps: int
    preview: Picture | None


@dataclass(frozen=True)
class Done(Event):
    """The picture is drawn."""

    sample: Sample
    facts: dict[str, Any]
    """seed, steps, exact; rows of the U-Net's calls (0 where they varied); seconds waited before the first step, and
    until the end."""


@dataclass(frozen=True)
class Cancelled(Event):
    """It was cancelled."""


@dataclass(frozen=True)
class Failed(Event):
    """It cannot be drawn."""

    error: Exception
