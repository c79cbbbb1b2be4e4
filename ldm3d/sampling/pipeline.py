"""A whole model behind one call, as in the pipelines of diffusers."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import Drawing, LabelConfig
from ldm3d.depth.relative import DepthEstimator
from ldm3d.models.checkpoint import Components
from ldm3d.models.few_steps import usual_drawing
from ldm3d.sampling.arguments import UNKNOWN_IN_CALLS, refuse_unknown
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.given_picture import GivenPicture
from ldm3d.sampling.image_to_rgbd import STRENGTH, PictureCanvas
from ldm3d.sampling.networks import Networks
from ldm3d.sampling.output import OutputType, RgbdOutput, require_answer
from ldm3d.sampling.prompts import Prompts
from ldm3d.sampling.request import Request
from ldm3d.sampling.samples import Canvas, denoised_latents, draw_samples, require_finite
from ldm3d.sampling.seeds import Generators, Seeds
from ldm3d.sampling.step_end import StepEnd, one_callback
from ldm3d.sampling.text_to_rgbd import latent_shape

if TYPE_CHECKING:
    from PIL.Image import Image


class RgbdPipeline(Networks):
    """Draws pictures with depth, from captions or from pictures and captions.

        pipeline = RgbdPipeline.from_pretrained("Intel/ldm3d-4c").to("cuda")
        output = pipeline("a lemon on a wooden table", seed=7)
        output.images[0].save("lemon.png")
        output.depths[0].save("lemon-depth.png")  # 16 bits

    To use another scheduler, set the attribute `scheduler` to any of diffusers made from its configuration. A Stable
    Diffusion checkpoint is a baseline: it draws RGB alone, from text alone.
    """

    def __init__(self, components: Components) -> None:
        super().__init__(components)
        self.depth_estimator: DepthEstimator | None = None

    def load_depth_model(self, model: str = "Intel/dpt-large", revision: str | None = None) -> DepthEstimator:
        """Load any depth model of transformers, to estimate the depth of pictures that are given without. Returns it:
        called with PIL pictures it gives their `depth`.

        Raises:
            ValueError: it does not load, or it is not known what it predicts.
        """
        self.depth_estimator = DepthEstimator.from_pretrained(LabelConfig(depth_model=model, revision=revision))
        return self.depth_estimator

    def __call__(
        self,
        prompt: str | Sequence[str],
        *,
        image: "Image | NDArray[np.uint8] | None" = None,
        depth: "Image | NDArray[np.uint16] | None" = None,
        mask: "Image | NDArray[np.bool_ | np.uint8] | None" = None,
        strength: float = STRENGTH,
        height: int | None = None,
        width: int | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        seed: Seeds | None = None,
        generator: Generators | None = None,
        output_type: OutputType = "pil",
        return_dict: bool = True,
        callback: Callback | None = None,
        callback_on_step_end: StepEnd | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
        **settings: Any,
    ) -> RgbdOutput:
        """Draw samples: those of the first prompt, then those of the next.

        Args:
            prompt: one, or several.
            image, depth, mask: a picture to start from, of PIL or (H, W, 3) uint8, with its depth, of PIL in 16 bits
                or (H, W) uint16, for all prompts. With a mask, (H, W) bool, it is redrawn only where that is True; or
                of PIL or (H, W) uint8, of 0 and 255, where that is 255. Depth that is not given is estimated, after
                `load_depth_model`.
            strength: see `ldm3d.sampling.image_to_rgbd`.
            height, width: pixels, from text alone; see `ldm3d.sampling.text_to_rgbd`.
            negative_prompt: what guidance leads away from, one for all prompts or one for each. None is the empty
                caption.
            seed: one for every sample; or that of the first sample, and each further one has the next number. None
                draws it at random.
            generator: in place of `seed`, one for each sample, on the CPU, with its seed set and nothing drawn yet.
            output_type: see `RgbdOutput`.
            return_dict: True only.
            callback: see `ldm3d.sampling.denoise.Callback`.
            callback_on_step_end: called as diffusers does, after each step of each batch: see `StepEnd`.
            callback_on_step_end_tensor_inputs: only `latents` can be asked for.
            settings: of `ldm3d.sampling.Drawing`: num_inference_steps, guidance_scale, guidance_rescale, eta,
                batch_size, panorama, tile (which has no effect on latents). Left out, they are as in `Drawing`; with
                LCMScheduler, which models bring that were distilled for few steps, there are 4 steps, and guidance is
                1 unless the U-Net is told it.

        Raises:
            ValueError: a setting is out of range, or pictures, seeds, prompts and model do not go together.
            NotFiniteError: the networks gave NaN or infinity for every sample.
        """
        require_answer(output_type, return_dict=return_dict)
        known = {field.name for field in fields(Drawing)}
        refuse_unknown(settings, known | set(self.__call__.__annotations__) - {"return", "settings"}, UNKNOWN_IN_CALLS)
        drawing = replace(usual_drawing(self.scheduler, self.unet), **settings)
        callback = one_callback(self, callback, callback_on_step_end, callback_on_step_end_tensor_inputs)
        request = Request.of(prompt, negative_prompt, num_images_per_prompt, seed, generator)
        count = len(request.captions)

        canvas: Canvas
        if image is None and depth is None and mask is None:
            canvas = Canvas(latent_shape(self, height, width))
        elif height is not None or width is not None:
            raise ValueError(
                f"height {height} and width {width} are given with a picture, which has its own: leave them out"
            )
        else:
            pictures, redrawn = GivenPicture.of(self, self.depth_estimator, image, depth, mask).repeated(count)
            canvas = PictureCanvas.of(self, pictures, count, strength, redrawn)

        prompts = Prompts.of(request.captions, request.seeds, self.embeddings, request.negative)
        if output_type == "latent":
            latents = denoised_latents(self, prompts, canvas, drawing, callback)
            return RgbdOutput(latents, None, request.seeds, latents.isfinite().flatten(1).all(1).tolist())
        samples = draw_samples(self, prompts, canvas, drawing, callback)
        require_finite(samples)
        return RgbdOutput.of(samples, output_type)
