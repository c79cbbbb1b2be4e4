"""A picture with depth, once its numbers are metres: a panorama, or a flat one."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthMeaningConfig
from ldm3d.fusion.meaning import FLAG, Kind, displacement_of, distance_of, is_perhaps_millimetres, shares_of
from ldm3d.immersive.displacement import Displacement
from ldm3d.immersive.pinhole import lengths
from ldm3d.immersive.projection import EQUIRECTANGULAR, Perspective, Projection
from ldm3d.immersive.still import Provenance
from ldm3d.immersive.surface import check_pictures

LARGEST = 8_192  # columns of a panorama: surfaces of more pixels would take more than 4 GB


def check_size(height: int, width: int) -> None:
    """Raise ValueError if a picture of this size is too large."""
    if is_too_large(height, width):
        raise ValueError(
            f"the picture is {width} x {height}, wanted at most {LARGEST:,} x {LARGEST // 2:,}, or as many pixels: "
            "resize picture and depth (depth by the nearest pixel)"
        )


@dataclass(frozen=True, eq=False)
class Panorama:
    """What a place is made of."""

    picture: NDArray[np.uint8]
    """(H, W, 3), sRGB."""
    distance: NDArray[np.float64]
    """(H, W), metres: along the ray of a panorama, along the axis of a flat picture. NaN where unknown."""
    depth: NDArray[np.uint16]
    """(H, W), relative: larger is nearer; 0 also where unknown."""
    displacement: Displacement
    """What relative depth means."""
    kind: Kind | Literal["estimated"]
    """What the numbers were that it was given with; estimated if there were none."""
    projection: Projection = EQUIRECTANGULAR
    """Whether it is a panorama, or flat."""
    is_relative: bool = False
    """Whether its depth had no unit, so that its metres are what the settings make of it."""
    is_perhaps_millimetres: bool = False
    """Whether its map, which is said to hold metres, looks like one of millimetres."""
    title: str = ""
    """A caption, or the name of its file."""
    caption: str = ""
    """The caption of its row; empty if it has none."""
    provenance: Provenance = field(default_factory=lambda: Provenance(None))
    about: dict[str, Any] = field(default_factory=dict)
    """What else is known of it, as JSON: its source, and how it was redrawn."""

    @classmethod
    def of(
        cls,
        picture: NDArray[np.uint8],
        numbers: NDArray[Any],
        kind: Kind,
        config: DepthMeaningConfig,
        projection: Projection = EQUIRECTANGULAR,
    ) -> Self:
        """Take a picture and a map of the same size.

        Raises:
            ValueError: it is no panorama, the map has another size, or its numbers are not what they are said to be.
        """
        height, width = picture.shape[:2]
        projection.check(height, width)
        check_size(height, width)
        if numbers.shape != (height, width):
            raise ValueError(
                f"depth is {numbers.shape[-1]} x {numbers.shape[0]}, the {_name(projection)} {width} x {height}: "
                "resize one to the other's size (depth by the nearest pixel, as a mean of near and far is neither)"
            )
        if kind == "relative":
            return cls.of_relative(picture, shares_of(numbers, config), displacement_of(config), projection)
        distance = _measured(distance_of(numbers, kind, config), kind, projection)
        check_pictures(picture, distance)
        near, far = float(np.nanmin(distance)), float(np.nanmax(distance))
        displacement = Displacement.between(near, far, "disparity")
        depth = displacement.depth(np.where(np.isnan(distance), far, distance))
        is_doubtful = is_perhaps_millimetres(numbers, kind, config)
        return cls(picture, distance, depth, displacement, kind, projection, is_perhaps_millimetres=is_doubtful)

    @classmethod
    def of_relative(
        cls,
        picture: NDArray[np.uint8],
        depth: NDArray[np.uint16],
        displacement: Displacement,
        projection: Projection = EQUIRECTANGULAR,
    ) -> Self:
        """Take a picture and relative depth, larger is nearer."""
        distance = displacement.distance(depth)
        return cls(picture, distance, depth, displacement, "relative", projection, is_relative=True)

    @property
    def is_flat(self) -> bool:
        """Whether it is no panorama."""
        return isinstance(self.projection, Perspective)

    @property
    def name(self) -> str:
        """What its files are called."""
        return _name(self.projection)

    @property
    def measure(self) -> str:
        """What its distances are."""
        return "metres along the camera's axis (z)" if self.is_flat else "metres along the ray"

    @property
    def middle(self) -> float:
        """The harmonic mean of its distances, in metres: where the mean of what two eyes see differently is."""
        return float(1 / np.nanmean(1 / self.distance))

    @property
    def near(self) -> float:
        """Distance of what is nearest, in metres."""
        return float(np.nanmin(self.distance))

    @property
    def far(self) -> float:
        """Distance of what is farthest, in metres."""
        return float(np.nanmax(self.distance))

    @property
    def unknown_share(self) -> float:
        """Share of its pixels, 0 to 1, whose distance is not known."""
        return round(float(np.isnan(self.distance).mean()), 6)

    @property
    def whole_provenance(self) -> Provenance:
        """How picture and depth together are made."""
        model = self.about.get("estimated", {}).get("model")
        if self.provenance.source is not None or model is None:
            return self.provenance
        return Provenance("compositeWithTrainedAlgorithmicMedia", model)

    def meaning(self) -> dict[str, Any]:
        """Return what the depth means, for files and people: all that is needed to read `depth` and `distance`."""
        moved, projection = self.displacement, self.projection
        lens = {"projection": "flat", "fov_degrees": projection.fov} if isinstance(projection, Perspective) else {}
        doubt = {"perhaps_millimetres": True} if self.is_perhaps_millimetres else {}
        return (
            lens
            | {
                "given_as": self.kind,
                "distances": self.measure,
                "nearest_m": round(self.near, 4),
                "farthest_m": round(self.far, 4),
                "unknown_share": self.unknown_share,
                "relative_depth": "16 bits, larger is nearer",
                "rule": moved.rule,
                "formula": "R (1 - s (2 d - 1))" if moved.rule == "paper" else "R / (1 + s (2 d - 1))",
                "radius_m": round(moved.radius, 6),
                "amount": round(moved.amount, 6),
                "near_m": round(moved.near, 6),
                "far_m": round(moved.far, 6),
            }
            | doubt
        )


def is_too_large(height: int, width: int) -> bool:
    """Say whether a picture has more pixels than the largest panorama."""
    return height * width > LARGEST * LARGEST // 2


def _name(projection: Projection) -> str:
    return "picture" if isinstance(projection, Perspective) else "panorama"


def _measured(metres: NDArray[np.float64], kind: Kind, projection: Projection) -> NDArray[np.float64]:
    """Return distances as a projection measures them."""
    if isinstance(projection, Perspective):
        return metres / lengths(metres.shape[0], metres.shape[1], projection.fov) if kind == "distance" else metres
    if kind == "z":
        raise ValueError(f"{FLAG} is z, and a panorama has no axis: give distance, or --picture.projection flat")
    return metres
