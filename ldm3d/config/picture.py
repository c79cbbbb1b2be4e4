"""How the pictures that become places show space."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.config.checks import Problems


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """What the pictures are: panoramas, or flat ones as a camera takes them."""

    projection: Literal["auto", "360", "flat"] = "auto"
    """auto: a picture twice as wide as high is a panorama of 360 by 180 degrees, any other one is flat. flat: all are,
    also one that happens to be twice as wide as high. 360: others than panoramas are refused."""
    fov: float = 55.0
    """Angle of flat pictures, from top to bottom, in degrees. The main camera of a phone sees 50 to 53 along the
    shorter side, and models draw what such cameras took. Half the true angle makes a place half as wide for its
    depth."""

    def check(self, problems: Problems) -> None:
        """Add what is wrong."""
        problems.require(0 < self.fov < 180, "picture.fov", self.fov, "degrees above 0 and below 180")
