"""From relative depth to distance: how far each pixel of a sphere is moved towards its centre, or away from it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.rgbd import DEPTH_MAX

Rule = Literal["paper", "disparity"]


@dataclass(frozen=True)
class Displacement:
    """What relative depth d, from 0 (far) over 0.5 (unmoved) to 1 (near), means.

    Rules, of radius R and amount s:
        paper: distance is R (1 - s (2 d - 1)), linear, as in LDM3D's DepthFusion (arXiv 2305.10853, section 3.2).
        disparity: distance is R / (1 + s (2 d - 1)), so d is affine in 1 / distance, as what DPT and LDM3D give
            is. With the right near and far, straight things stay straight.

    Both move d = 0.5 to R, and by the same first step from there.
    """

    rule: Rule = "paper"
    amount: float = 0.5
    """0 is a sphere; below 1."""
    radius: float = 1.0
    """In metres."""
    inverted: bool = False
    """Whether larger values are farther."""

    def __post_init__(self) -> None:
        if self.rule not in ("paper", "disparity"):
            raise ValueError(f"rule is {self.rule!r}, wanted 'paper' or 'disparity'")
        if not 0 <= self.amount < 1:
            raise ValueError(f"amount is {self.amount}, wanted 0 (a sphere) to below 1 (near things at the eye)")
        if not 0 < self.radius < np.inf:
            raise ValueError(f"radius is {self.radius}, wanted metres above 0")

    @classmethod
    def between(cls, near: float, far: float, rule: Rule = "disparity", *, inverted: bool = False) -> "Displacement":
        """Return the displacement whose nearest and farthest distance these are, in metres.

        Raises:
            ValueError: not 0 < near <= far < infinity.
        """
        if not 0 < near <= far < np.inf:
            raise ValueError(f"near is {near} and far {far}, wanted 0 < near <= far, in metres")
        radius = (near + far) / 2 if rule == "paper" else 2 * near * far / (near + far)
        return cls(rule, (far - near) / (far + near), radius, inverted)

    @property
    def near(self) -> float:
        """Distance of d = 1, in metres."""
        return float(self._distance(1.0))

    @property
    def far(self) -> float:
        """Distance of d = 0, in metres."""
        return float(self._distance(0.0))

    def distance(self, depth: NDArray[np.uint16] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the distance of each pixel, in metres.

        Args:
            depth: (H, W) uint16, or floats from 0 to 1.

        Raises:
            ValueError: it is neither, or holds values out of that range or NaN.
        """
        if depth.ndim != 2 or (depth.dtype != np.uint16 and depth.dtype.kind != "f"):
            raise ValueError(f"depth is {depth.shape} {depth.dtype}, wanted (height, width) uint16 or floats")
        shares = depth / DEPTH_MAX if depth.dtype == np.uint16 else depth.astype(np.float64)
        if not ((shares >= 0) & (shares <= 1)).all():  # NaN is not
            raise ValueError("depth holds values that are NaN or not from 0 to 1: normalise it over the whole picture")
        distances: NDArray[np.float64] = self._distance(1 - shares if self.inverted else shares)
        return distances

    def depth(self, distance: NDArray[np.floating]) -> NDArray[np.uint16]:
        """Return the relative depth of distances in metres, (H, W) uint16: the inverse of `distance`.

        What is nearer than `near` or farther than `far` is taken for the nearest and the farthest.
        """
        if self.amount == 0:
            return np.full(distance.shape, DEPTH_MAX // 2, np.uint16)
        ratio = distance / self.radius
        shares = ((1 - ratio if self.rule == "paper" else 1 / ratio - 1) / self.amount + 1) / 2
        shares = np.clip(shares, 0, 1)
        return np.round((1 - shares if self.inverted else shares) * DEPTH_MAX).astype(np.uint16)

    def _distance(self, shares: Any) -> Any:
        moved = self.amount * (2 * shares - 1)
        return self.radius * (1 - moved) if self.rule == "paper" else self.radius / (1 + moved)
