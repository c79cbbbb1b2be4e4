"""A panorama without a map of its depth, before that is estimated."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.fusion.panorama import check_size
from ldm3d.immersive.projection import EQUIRECTANGULAR
from ldm3d.immersive.still import Provenance


@dataclass(frozen=True, eq=False)
class Unmeasured:
    """A picture, and what is known of it.

    Raises:
        ValueError: it is no panorama, or too large.
    """

    picture: NDArray[np.uint8]
    """(H, 2 H, 3), sRGB."""
    title: str = ""
    provenance: Provenance = field(default_factory=lambda: Provenance(None))
    about: dict[str, Any] = field(default_factory=dict)
    """As of `Panorama`."""

    def __post_init__(self) -> None:
        EQUIRECTANGULAR.check(*self.picture.shape[:2])
        check_size(*self.picture.shape[:2])
