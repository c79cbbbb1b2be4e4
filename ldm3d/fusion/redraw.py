"""The first step of DepthFusion: a model draws a panorama and its depth anew, guided by text."""

from dataclasses import replace

from ldm3d.config import DepthFusionConfig
from ldm3d.fusion.panorama import Panorama
from ldm3d.immersive.still import Provenance
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.sampler import Sampler


class Redrawer:
    """A model on one device, a GPU if there is one, that redraws panoramas without a seam."""

    def __init__(self, pipeline: RgbdPipeline, config: DepthFusionConfig) -> None:
        """Take over `pipeline`: it is moved to the device and gets the configured scheduler."""
        self.config, self.fingerprint = config, pipeline.fingerprint()
        self.pipeline = Sampler(pipeline, config.sampling, config.model.precision).pipeline

    def __call__(self, panorama: Panorama, seed: int) -> Panorama:
        """Return the panorama as the model draws it, and its depth: what that means stays.

        Where depth was unknown it is known then.

        Raises:
            ValueError: the panorama's size does not suit the model, or a setting does not.
            NotFiniteError: the networks gave NaN or infinity.
        """
        config, point = self.config, self.config.point
        assert config.prompt is not None
        drawn = self.pipeline(
            config.prompt,
            image=panorama.picture,
            depth=panorama.depth,
            strength=config.strength,
            negative_prompt=config.sampling.negative_prompt,
            seed=seed,
            num_inference_steps=point.num_inference_steps,
            guidance_scale=point.guidance_scale,
            guidance_rescale=config.sampling.guidance_rescale,
            eta=config.sampling.eta,
            tile=config.sampling.tile,
            panorama=True,
            output_type="np",
        )
        made = Panorama.of_relative(drawn.images[0], drawn.depths[0], panorama.displacement)
        model = config.model.model[0]
        about = {"prompt": config.prompt, "strength": config.strength, "seed": seed, "model": self.fingerprint}
        return replace(
            made,
            kind=panorama.kind,
            title=panorama.title,
            provenance=Provenance("compositeWithTrainedAlgorithmicMedia", model, seed),
            about=panorama.about | {"redrawn": about},
        )
