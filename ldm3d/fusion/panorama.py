"""A panorama with depth, once its numbers are metres."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthMeaningConfig
from ldm3d.fusion.meaning import Kind, displacement_of, distance_of, shares_of
from ldm3d.immersive.displacement import Displacement
from ldm3d.immersive.sphere import check_panorama
from ldm3d.immersive.still import Provenance
from ldm3d.immersive.surface import check_pictures

LARGEST = 8_192  # columns: surfaces of larger ones would take more than 4 GB


def check_size(height: int, width: int) -> None:
    """Check the size of a panorama in pixels.

    Raises:
        ValueError: it is not twice as wide as high, or too large.
    """
    check_panorama(height, width)
    if width > LARGEST:
        raise ValueError(
            f"the panorama is {width} x {height}, wanted at most {LARGEST:,} x {LARGEST // 2:,}: resize picture and "
            "depth (depth by the nearest pixel)"
        )


@dataclass(frozen=True, eq=False)
class Panorama:
    """What a place is made of."""

    picture: NDArray[np.uint8]
    """(H, 2 H, 3), sRGB."""
    distance: NDArray[np.float64]
    """(H, 2 H), metres along the ray; NaN where unknown."""
    depth: NDArray[np.uint16]
    """(H, 2 H), relative: larger is nearer; 0 also where unknown."""
    displacement: Displacement
    """What relative depth means."""
    kind: Kind | Literal["estimated"]
    """What the numbers were that it was given with; estimated if there were none."""
    title: str = ""
    """A caption, or the name of its file."""
    provenance: Provenance = field(default_factory=lambda: Provenance(None))
    about: dict[str, Any] = field(default_factory=dict)
    """What else is known of it, as JSON: its source, and how it was redrawn."""

    @classmethod
    def of(cls, picture: NDArray[np.uint8], numbers: NDArray[Any], kind: Kind, config: DepthMeaningConfig) -> Self:
        """Take a picture and a map of the same size.

        Raises:
            ValueError: it is no panorama, the map has another size, or its numbers are not what they are said to be.
        """
        height, width = picture.shape[:2]
        check_size(height, width)
        if numbers.shape != (height, width):
            raise ValueError(
                f"depth is {numbers.shape[-1]} x {numbers.shape[0]}, the panorama {width} x {height}: resize one to "
                "the other's size (depth by the nearest pixel, as a mean of near and far is neither)"
            )
        if kind == "relative":
            return cls.of_relative(picture, shares_of(numbers, config), displacement_of(config))
        distance = distance_of(numbers, kind, config)
        check_pictures(picture, distance)
        near, far = float(np.nanmin(distance)), float(np.nanmax(distance))
        displacement = Displacement.between(near, far, "disparity")
        depth = displacement.depth(np.where(np.isnan(distance), far, distance))
        return cls(picture, distance, depth, displacement, kind)

    @classmethod
    def of_relative(cls, picture: NDArray[np.uint8], depth: NDArray[np.uint16], displacement: Displacement) -> Self:
        """Take a picture and relative depth, larger is nearer."""
        return cls(picture, displacement.distance(depth), depth, displacement, "relative")

    @property
    def near(self) -> float:
        """Distance of what is nearest, in metres."""
        return float(np.nanmin(self.distance))

    @property
    def far(self) -> float:
        """Distance of what is farthest, in metres."""
        return float(np.nanmax(self.distance))

    @property
    def whole_provenance(self) -> Provenance:
        """How picture and depth together are made."""
        model = self.about.get("estimated", {}).get("model")
        if self.provenance.source is not None or model is None:
            return self.provenance
        return Provenance("compositeWithTrainedAlgorithmicMedia", model)

    def meaning(self) -> dict[str, Any]:
        """Return what the depth means, for files and people: all that is needed to read `depth` and `distance`."""
        moved = self.displacement
        return {
            "given_as": self.kind,
            "distances": "metres along the ray",
            "nearest_m": round(self.near, 4),
            "farthest_m": round(self.far, 4),
            "unknown_share": round(float(np.isnan(self.distance).mean()), 6),
            "relative_depth": "16 bits, larger is nearer",
            "rule": moved.rule,
            "formula": "R (1 - s (2 d - 1))" if moved.rule == "paper" else "R / (1 + s (2 d - 1))",
            "radius_m": round(moved.radius, 6),
            "amount": round(moved.amount, 6),
            "near_m": round(moved.near, 6),
            "far_m": round(moved.far, 6),
        }
