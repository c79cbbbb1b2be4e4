"""What the pixels of a picture or a film are: how much of the sphere they show, and for which eyes."""

from dataclasses import dataclass
from typing import Literal

Projection = Literal["360", "180", "flat"]
Packing = Literal["mono", "side-by-side", "top-bottom"]


@dataclass(frozen=True)
class Layout:
    """The projection of each eye's picture, and where in the frame each eye has its own."""

    projection: Projection = "360"
    """360 by 180 degrees (equirectangular), its front half of 180 by 180 degrees, or the picture of a pinhole."""
    packing: Packing = "mono"
    """The left eye has the left or the upper half."""

    def __post_init__(self) -> None:
        if self.projection not in ("360", "180", "flat"):
            raise ValueError(f"projection is {self.projection!r}, wanted '360', '180' or 'flat'")
        if self.packing not in ("mono", "side-by-side", "top-bottom"):
            raise ValueError(f"packing is {self.packing!r}, wanted 'mono', 'side-by-side' or 'top-bottom'")

    @property
    def is_plain(self) -> bool:
        """Whether every player shows it rightly without being told."""
        return self == Layout("flat", "mono")

    @property
    def suffix(self) -> str:
        """What players of files without metadata look for at the end of the name: `_360_TB`; empty if plain."""
        projection = {"360": "_360", "180": "_180", "flat": ""}[self.projection]
        return projection + {"mono": "", "side-by-side": "_LR", "top-bottom": "_TB"}[self.packing]
