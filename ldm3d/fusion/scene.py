"""A picture as surfaces, made when they are first asked for and shared by all that is written of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthFusionConfig
from ldm3d.fusion.behind import Behind
from ldm3d.fusion.panorama import Panorama
from ldm3d.immersive.background import REACH, Background, flood
from ldm3d.immersive.still import Provenance
from ldm3d.immersive.surface import Surface, surface_of

EVERYWHERE = 180.0  # degrees


@dataclass(frozen=True, eq=False)
class Scene:
    """What is drawn, and how."""

    panorama: Panorama
    config: DepthFusionConfig
    behind: Behind | None = None
    """Draws what the panorama hides, where the settings ask for that."""

    @cached_property
    def background(self) -> Background | None:
        """What the picture hides; None where none is wanted."""
        if self.config.surface.background == "none":
            return None
        panorama = self.panorama
        if self.behind is not None:
            return self.behind(panorama.picture, panorama.distance)
        # What touches the border of a flat picture has no tear there: only from its other sides the far ones can grow.
        reach = EVERYWHERE if panorama.is_flat else REACH
        steepest = self.config.surface.steepest
        return flood(panorama.picture, panorama.distance, steepest, reach, panorama.projection)

    @cached_property
    def surfaces(self) -> list[Surface]:
        """The picture's own surface, and that of what it hides."""
        panorama = self.panorama
        front = surface_of(panorama.picture, panorama.distance, panorama.projection, self.config.surface.steepest)
        return [front] if self.background is None else [front, self.background.surface(front)]

    @cached_property
    def thinned(self) -> "Scene":
        """The scene on a grid that is not too fine for meshes and splats."""
        height, width = self.panorama.picture.shape[:2]
        kept = min(width, self.config.exports.columns)
        count = max(2, round(height * kept / width)) if self.panorama.is_flat else None
        rows = thin_rows(height, self.config.exports.columns, count)
        if len(rows) == height:
            return self
        columns = thin_rows(width, self.config.exports.columns, kept if self.panorama.is_flat else 2 * len(rows))
        grid = np.ix_(rows, columns)
        thin = Panorama(
            self.panorama.picture[grid],
            self.panorama.distance[grid],
            self.panorama.depth[grid],
            self.panorama.displacement,
            self.panorama.kind,
            self.panorama.projection,
        )
        return Scene(thin, self.config, self.behind)

    @property
    def provenance(self) -> Provenance:
        """How views of it are made."""
        given = self.panorama.whole_provenance
        return given if self.behind is None else self.behind.provenance(given)

    def facts(self) -> dict[str, Any]:
        """Return what files say of themselves: what depth means, and how all was made."""
        surface = self.config.surface
        is_assumed = self.panorama.is_relative and self.config.depth.says_no_reach
        made = {
            "metres_assumed": is_assumed,
            "torn_beyond_degrees": surface.steepest,
            "background": surface.background,
        }
        behind = {} if self.behind is None else {"inpainted": self.behind.about()}
        return self.panorama.meaning() | made | behind | self.panorama.about


def thin_rows(size: int, columns: int, count: int | None = None) -> NDArray[np.int64]:
    """Return which rows of a panorama are kept, so that it has at most so many columns: those in the middle of what
    each stands for. With `count` it is so many."""
    kept = min(size, columns // 2) if count is None else count
    return ((np.arange(kept) + 0.5) * size / kept).astype(np.int64)
