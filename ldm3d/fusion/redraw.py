"""The first step of DepthFusion: a model draws a picture and its depth, guided by text, from another one or alone; or
what a panorama hides."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthFusionConfig
from ldm3d.fusion.meaning import displacement_of
from ldm3d.fusion.panorama import Panorama
from ldm3d.immersive.background import Background
from ldm3d.immersive.inpainting import inpaint
from ldm3d.immersive.still import Provenance
from ldm3d.sampling.decode import pixel_factor
from ldm3d.sampling.image_to_rgbd import require_depth
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.redrawing import PanoramaRedrawing
from ldm3d.sampling.sampler import Sampler
from ldm3d.sampling.text_to_rgbd import latent_shape


class Redrawer:
    """A model on one device, a GPU if there is one, that draws panoramas without a seam, or flat pictures."""

    def __init__(self, pipeline: RgbdPipeline, config: DepthFusionConfig) -> None:
        """Take over `pipeline`: it is moved to the device and gets the configured scheduler.

        Raises:
            ValueError: the model draws no depth.
        """
        require_depth(pipeline)
        self.config, self.fingerprint = config, pipeline.fingerprint()
        self.pipeline = Sampler(pipeline, config.sampling, config.model.precision).pipeline

    def __call__(self, panorama: Panorama, seed: int) -> Panorama:
        """Return a panorama, or a flat picture, as the model draws it, and its depth: what that means stays.

        Where depth was unknown it is known then.

        Raises:
            ValueError: its size does not suit the model, or a setting does not.
            NotFiniteError: the networks gave NaN or infinity.
        """
        strength, model = self.config.strength, self.config.model.model[0]
        given = {"image": panorama.picture, "depth": panorama.depth, "strength": strength}
        drawn = self._drawn(seed, panorama=not panorama.is_flat, **given)
        drawing = self.about(seed, self.config.prompt)
        about = drawing | {"strength": strength, "unknown_share_before": panorama.unknown_share}
        return replace(
            panorama,
            picture=drawn.images[0],
            distance=panorama.displacement.distance(drawn.depths[0]),
            depth=drawn.depths[0],
            provenance=Provenance("compositeWithTrainedAlgorithmicMedia", model, seed),
            about=panorama.about | {"redrawn": about},
        )

    def draw(self, seed: int) -> Panorama:
        """Return a panorama from text alone, as high as the model's pictures unless the settings say otherwise.

        Raises:
            ValueError: a setting does not suit the model.
            NotFiniteError: the networks gave NaN or infinity.
        """
        height, width = self.size()
        drawn = self._drawn(seed, panorama=True, height=height, width=width)
        made = Panorama.of_relative(drawn.images[0], drawn.depths[0], displacement_of(self.config.depth))
        provenance = Provenance("trainedAlgorithmicMedia", self.config.model.model[0], seed)
        about = {"drawn": self.about(seed, self.config.prompt)}
        return replace(made, title=self.config.prompt or "", provenance=provenance, about=about)

    def size(self) -> tuple[int, int]:
        """Return height and width of what is drawn from text alone, in pixels.

        Raises:
            ValueError: the autoencoder's factor does not divide them.
        """
        height = self.config.sampling.height
        if height is None:
            height = latent_shape(self.pipeline, None, None)[1] * pixel_factor(self.pipeline.vae)
        latent_shape(self.pipeline, height, 2 * height)
        return height, 2 * height

    def behind(
        self, picture: NDArray[np.uint8], distance: NDArray[np.floating], seed: int, prompt: str | None
    ) -> Background:
        """Return what a panorama hides, as the model draws it, at the height of its pictures.

        Args:
            picture, distance: as of `Panorama`.
            prompt: guides it, whatever the settings say; None where nothing does.

        Raises:
            ValueError: a setting does not suit the model.
            NotFiniteError: the networks gave NaN or infinity.
        """
        config = self.config
        text, negative = prompt or "", config.sampling.negative_prompt
        drawing = replace(config.sampling.drawing(config.point), batch_size=None)
        if not text and not negative:
            drawing = replace(drawing, guidance_scale=1.0)  # there is nothing to guide by: half the work
        redraw = PanoramaRedrawing(self.pipeline, text, seed, drawing=drawing, negative_prompt=negative)
        return inpaint(picture, distance, redraw, height=self.size()[0], steepest=config.surface.steepest)

    def about(self, seed: int, prompt: str | None) -> dict[str, Any]:
        """Return how something is drawn, as JSON."""
        return {"prompt": prompt, "seed": seed, "model": self.fingerprint}

    def _drawn(self, seed: int, **given: Any) -> Any:
        config, point = self.config, self.config.point
        return self.pipeline(
            config.prompt or "",
            seed=seed,
            negative_prompt=config.sampling.negative_prompt,
            num_inference_steps=point.num_inference_steps,
            guidance_scale=point.guidance_scale,
            guidance_rescale=config.sampling.guidance_rescale,
            eta=config.sampling.eta,
            tile=config.sampling.tile,
            output_type="np",
            **given,
        )
