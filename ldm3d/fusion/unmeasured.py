"""A picture without a map of its depth, before that is estimated."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.fusion.panorama import check_size
from ldm3d.immersive.projection import EQUIRECTANGULAR, Perspective, Projection
from ldm3d.immersive.still import Provenance


@dataclass(frozen=True, eq=False)
class Unmeasured:
    """A picture, and what is known of it.

    Raises:
        ValueError: it is not what its projection says, or too large.
    """

    picture: NDArray[np.uint8]
    """(H, W, 3), sRGB; of a panorama W is 2 H."""
    title: str = ""
    provenance: Provenance = field(default_factory=lambda: Provenance(None))
    about: dict[str, Any] = field(default_factory=dict)
    """As of `Panorama`."""
    projection: Projection = EQUIRECTANGULAR
    """Whether it is a panorama, or flat."""
    caption: str = ""
    """As of `Panorama`."""

    def __post_init__(self) -> None:
        self.projection.check(*self.picture.shape[:2])
        check_size(*self.picture.shape[:2])

    @property
    def is_flat(self) -> bool:
        """Whether it is no panorama."""
        return isinstance(self.projection, Perspective)
