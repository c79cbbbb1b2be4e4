"""What one panorama hides, drawn by a model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthFusionConfig
from ldm3d.config.exports import CAPTION
from ldm3d.immersive.background import Background
from ldm3d.immersive.still import Provenance
from ldm3d.keys import hidden_seed

if TYPE_CHECKING:
    from ldm3d.fusion.redraw import Redrawer


@dataclass(frozen=True)
class Behind:
    """A model that draws behind a panorama, from a seed: the same each time."""

    redrawer: "Redrawer"
    seed: int
    prompt: str | None = None
    """What guides it."""

    def __call__(self, picture: NDArray[np.uint8], distance: NDArray[np.floating]) -> Background:
        """Draw. Arguments and errors are those of `Redrawer.behind`."""
        return self.redrawer.behind(picture, distance, self.seed, self.prompt)

    def about(self) -> dict[str, Any]:
        """Return how it is drawn, as JSON."""
        return self.redrawer.about(self.seed, self.prompt)

    def provenance(self, panorama: Provenance) -> Provenance:
        """Return how views are made that may show some of it beside the panorama."""
        if panorama.source is not None:
            return panorama
        model = self.redrawer.config.model.model[0]
        return Provenance("compositeWithTrainedAlgorithmicMedia", model, self.seed)


def behind_of(config: DepthFusionConfig, redrawer: "Redrawer | None", seed: int, caption: str = "") -> Behind | None:
    """Return what draws behind a panorama, as the settings ask; None where no model does.

    Args:
        seed: of the panorama.
        caption: of its row.
    """
    if redrawer is None or config.surface.background != "inpaint":
        return None
    return Behind(redrawer, hidden_seed(seed), prompt_behind(config, caption))


def prompt_behind(config: DepthFusionConfig, caption: str) -> str | None:
    """Return what guides the drawing of what is hidden: None where nothing does, as of a row without a caption."""
    if config.surface.prompt is None:
        return config.prompt
    return config.surface.prompt.replace(CAPTION, caption).strip() or None
