"""What the pixels of a picture or a film are: how much of the sphere they show, and for which eyes."""

from dataclasses import dataclass
from typing import Literal

Projection = Literal["360", "180", "flat"]
Packing = Literal["mono", "side-by-side", "top-bottom", "anaglyph"]
PACKINGS = ("mono", "side-by-side", "top-bottom", "anaglyph")


@dataclass(frozen=True)
class Layout:
    """The projection of each eye's picture, and where in the frame each eye has its own."""

    projection: Projection = "360"
    """360 by 180 degrees (equirectangular), its front half of 180 by 180 degrees, or the picture of a pinhole."""
    packing: Packing = "mono"
    """The left eye has the left or the upper half; in an anaglyph both have the whole, in colours of their own."""

    def __post_init__(self) -> None:
        if self.projection not in ("360", "180", "flat"):
            raise ValueError(f"projection is {self.projection!r}, wanted '360', '180' or 'flat'")
        if self.packing not in PACKINGS:
            raise ValueError(f"packing is {self.packing!r}, wanted one of {', '.join(PACKINGS)}")

    @property
    def is_packed(self) -> bool:
        """Whether a frame holds two pictures, which a player must take apart."""
        return self.packing in ("side-by-side", "top-bottom")

    @property
    def is_plain(self) -> bool:
        """Whether every player shows it rightly without being told."""
        return self.projection == "flat" and not self.is_packed

    @property
    def suffix(self) -> str:
        """What players of files without metadata look for at the end of the name: `_360_TB`; empty if plain."""
        projection = {"360": "_360", "180": "_180", "flat": ""}[self.projection]
        packings = {"mono": "", "side-by-side": "_LR", "top-bottom": "_TB", "anaglyph": "_anaglyph"}
        return projection + packings[self.packing]
