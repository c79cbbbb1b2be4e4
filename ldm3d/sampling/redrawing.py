"""Part of a panorama drawn again by a model, as `ldm3d.immersive.inpainting` asks for it."""

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldm3d.config.drawing import PAPER, Drawing
from ldm3d.sampling.pipeline import RgbdPipeline


@dataclass(frozen=True)
class PanoramaRedrawing:
    """Draws part of a panorama again, guided by text, without a seam where left and right meet."""

    pipeline: RgbdPipeline
    prompt: str = ""
    seed: int = 0
    strength: float = 1.0
    """How much of what is there is changed, above 0, at most 1."""
    drawing: Drawing = PAPER
    negative_prompt: str = ""
    """What guidance leads away from."""

    def __call__(
        self, picture: NDArray[np.uint8], depth: NDArray[np.uint16], where: NDArray[np.bool_]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Draw.

        Args:
            picture: (h, 2 h, 3).
            depth: (h, 2 h), relative inverse depth, larger is nearer.
            where: (h, 2 h), True where it is drawn again.

        Raises:
            ValueError: the height is no multiple of the autoencoder's factor, or the model draws no depth.
            NotFiniteError: the networks gave NaN or infinity.
        """
        found = self.pipeline(
            self.prompt,
            image=picture,
            depth=depth,
            mask=where,
            strength=self.strength,
            seed=self.seed,
            negative_prompt=self.negative_prompt,
            output_type="np",
            **asdict(replace(self.drawing, panorama=True)),
        )
        return found.images[0], found.depths[0]
