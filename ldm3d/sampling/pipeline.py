"""A whole model behind one call, as in the pipelines of diffusers."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.config import Drawing, LabelConfig, ModelConfig
from ldm3d.data.pictures import Pictures
from ldm3d.depth.relative import DepthEstimator
from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network
from ldm3d.models.base import load_scheduler, load_text, load_unet
from ldm3d.models.checkpoint import Components, save_pipeline
from ldm3d.models.source import Source
from ldm3d.models.text import fingerprint_of_text
from ldm3d.models.text_embeddings import TextEmbeddings
from ldm3d.models.trained import check_scaled, load_any_autoencoder
from ldm3d.pil import as_depth, as_mask, as_rgb
from ldm3d.sampling.arguments import UNKNOWN_IN_CALLS, UNKNOWN_IN_LOADING, UNKNOWN_METHODS, one_dtype, refuse_unknown
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.image_to_rgbd import STRENGTH, PictureCanvas, require_depth
from ldm3d.sampling.output import OutputType, RgbdOutput
from ldm3d.sampling.prompts import Prompts, each_repeated, negative_of
from ldm3d.sampling.samples import Canvas, denoised_latents, draw_samples, require_finite
from ldm3d.sampling.seeds import Generators, Seeds, seeds_of
from ldm3d.sampling.step_end import StepEnd, as_callback
from ldm3d.sampling.text_to_rgbd import latent_shape

if TYPE_CHECKING:
    from PIL.Image import Image


class RgbdPipeline:
    """Draws pictures with depth, from captions or from pictures and captions.

        pipeline = RgbdPipeline.from_pretrained("Intel/ldm3d-4c").to("cuda")
        output = pipeline("a lemon on a wooden table", seed=7)
        output.images[0].save("lemon.png")
        output.depths[0].save("lemon-depth.png")  # 16 bits

    To use another scheduler, set the attribute `scheduler` to any of diffusers made from its configuration. A Stable
    Diffusion checkpoint is a baseline: it draws RGB alone, from text alone.
    """

    def __init__(self, components: Components) -> None:
        self.vae, self.unet, self.scheduler = components.vae, components.unet, components.scheduler
        self.text_encoder, self.tokenizer = components.text_encoder, components.tokenizer
        self.embeddings = TextEmbeddings(self.text_encoder, self.tokenizer)
        self.depth_estimator: DepthEstimator | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str,
        revision: str | None = None,
        dtype: torch.dtype | None = None,
        *,
        torch_dtype: torch.dtype | None = None,
        setting: str = "model",
        **unknown: object,
    ) -> Self:
        """Load a model of `train_diffusion` or `export`, LDM3D of 6 or 4 channels, or Stable Diffusion v1.x or 2.x, by
        path or hub id; messages call it by its `setting`.

        Args:
            dtype: of the weights, float32 if None; `torch_dtype` is its older name.

        Raises:
            ValueError: it cannot be read, is neither LDM3D nor Stable Diffusion, weights are missing or not stored as
                safetensors, or there is no such argument.
        """
        refuse_unknown(unknown, ("model", "revision", "dtype", "torch_dtype"), UNKNOWN_IN_LOADING)
        dtype = one_dtype(dtype, torch_dtype)
        source = Source(setting, model, revision)
        vae = load_any_autoencoder(source, dtype)
        check_scaled(source, vae.config)
        channels = vae.config["in_channels"]
        # only checked against the base, and a base of three channels passes with either
        config = ModelConfig(base=model, revision=revision, channels=6 if channels == 3 else channels)
        unet, scheduler = load_unet(config, dtype, setting), load_scheduler(config, setting)
        return cls(Components(vae, unet, *load_text(config, dtype, setting), scheduler))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to a new or empty folder, as `train_diffusion` does: `from_pretrained` opens it, and so do
        diffusers' pipelines.

        Raises:
            ValueError: the folder holds something, or what a folder cannot hold would be lost: another scheduler than
                DDIM, or low-rank updates that are not merged.
        """
        if (kind := type(self.scheduler).__name__) != "DDIMScheduler":
            raise ValueError(
                f"scheduler is {kind}, but a saved model opens with DDIMScheduler: save it with that, "
                "DDIMScheduler.from_config(pipeline.scheduler.config), and set yours after loading"
            )
        if getattr(self.unet, "peft_config", None) or getattr(self.text_encoder, "peft_config", None):
            raise ValueError("low-rank updates are loaded: call ldm3d.models.lora.merge_lora(pipeline.unet) first")
        save_pipeline(folder, Components(self.vae, self.unet, self.text_encoder, self.tokenizer, self.scheduler))

    def to(self, *target: torch.device | str | int | torch.dtype, **named: Any) -> Self:
        """Move the networks, and convert them: `to("cuda")`, `to(torch.float16)`, `to("cuda", torch.float16)`, or by
        the names `device` and `dtype`.

        Raises:
            ValueError: there is no such argument.
        """
        refuse_unknown(named, ("device", "dtype", "torch_dtype"), {})
        dtypes = [each for each in target if isinstance(each, torch.dtype)]
        devices = [each for each in target if not isinstance(each, torch.dtype)]
        dtype = named.get("dtype") or named.get("torch_dtype") or next(iter(dtypes), None)
        device = named.get("device", next(iter(devices), None))
        for network in (self.vae, self.unet, self.text_encoder):
            # diffusers' own warns about any dtype
            torch.nn.Module.to(network, None if device is None else torch.device(device), dtype)
        self.embeddings.forget()
        return self

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        found: torch.device = self.unet.device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """What the U-Net computes in."""
        found: torch.dtype = self.unet.dtype
        return found

    def __getattr__(self, name: str) -> NoReturn:
        advice = f": {UNKNOWN_METHODS[name]}" if name in UNKNOWN_METHODS else ""
        raise AttributeError(f"{type(self).__name__} has no {name}{advice}")

    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all that turns a caption and a seed into a picture: weights, vocabulary,
        noise schedule, size."""
        return fingerprint_of(
            fingerprint_of_network(self.vae),
            self.vae.config["scaling_factor"],
            fingerprint_of_network(self.unet),
            self.unet.config["sample_size"],
            fingerprint_of_text(self.text_encoder, self.tokenizer),
            {name: value for name, value in self.scheduler.config.items() if not name.startswith("_")},
        )

    def load_depth_model(self, model: str = "Intel/dpt-large", revision: str | None = None) -> DepthEstimator:
        """Load any depth model of transformers, to estimate the depth of pictures that are given without. Returns it:
        called with PIL pictures it gives their `depth`.

        Raises:
            ValueError: it does not load, or it is not known what it predicts.
        """
        self.depth_estimator = DepthEstimator.from_pretrained(LabelConfig(depth_model=model, revision=revision))
        return self.depth_estimator

    def load_lora_weights(self, weights: str, **options: Any) -> None:
        """Load low-rank updates by the method of the same name of diffusers' Stable Diffusion pipelines."""
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

        parts: dict[str, Any] = {
            "vae": self.vae,
            "text_encoder": self.text_encoder,
            "tokenizer": self.tokenizer,
            "unet": self.unet,
            "scheduler": self.scheduler,
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        }
        StableDiffusionPipeline(**parts).load_lora_weights(weights, **options)
        self.embeddings.forget()

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
                batch_size, panorama, tile (which has no effect on latents).

        Raises:
            ValueError: a setting is out of range, or pictures, seeds, prompts and model do not go together.
            NotFiniteError: the networks gave NaN or infinity for every sample.
        """
        # the request, refused before any network is called
        if num_images_per_prompt < 1:
            raise ValueError(f"num_images_per_prompt is {num_images_per_prompt}, wanted 1 or more")
        if output_type not in get_args(OutputType):
            raise ValueError(f"output_type is {output_type!r}, wanted one of {', '.join(get_args(OutputType))}")
        if not return_dict:
            raise ValueError("return_dict is False, wanted True: read images and depths of what is returned")
        known = {field.name for field in fields(Drawing)}
        refuse_unknown(settings, known | set(self.__call__.__annotations__) - {"return", "settings"}, UNKNOWN_IN_CALLS)
        drawing = Drawing(**settings)
        if callback_on_step_end is not None:
            if callback is not None:
                raise ValueError("callback and callback_on_step_end are both given: want one of them")
            callback = as_callback(self, callback_on_step_end, callback_on_step_end_tensor_inputs)
        given = [prompt] if isinstance(prompt, str) else list(prompt or ())
        if not given:
            raise ValueError("no prompt was given: give one or more ('' is the empty caption)")
        captions = each_repeated(given, num_images_per_prompt)
        negative = negative_of(negative_prompt, len(given), num_images_per_prompt)
        seeds = seeds_of(seed, generator, len(captions))

        # what is drawn on
        canvas: Canvas
        if image is None and depth is None and mask is None:
            canvas = Canvas(latent_shape(self, height, width))
        else:
            if height is not None or width is not None:
                raise ValueError(
                    f"height {height} and width {width} are given with a picture, which has its own: leave them out"
                )
            pictures, redrawn = _repeated(*self._picture(image, depth), mask, len(captions))
            canvas = PictureCanvas.of(self, pictures, len(captions), strength, redrawn)

        # what is drawn on it
        prompts = Prompts.of(captions, seeds, self.embeddings, negative)
        if output_type == "latent":
            latents = denoised_latents(self, prompts, canvas, drawing, callback)
            return RgbdOutput(latents, None, seeds, latents.isfinite().flatten(1).all(1).tolist())
        samples = draw_samples(self, prompts, canvas, drawing, callback)
        require_finite(samples)
        return RgbdOutput.of(samples, output_type)

    def _picture(
        self, image: "Image | NDArray[np.uint8] | None", depth: "Image | NDArray[np.uint16] | None"
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Return the image and depth to start from; depth is estimated if only the image is given."""
        if image is not None:
            require_depth(self)
            image = as_rgb(image)
            if depth is None and self.depth_estimator is not None:
                depth = self.depth_estimator(image[None]).depth[0]
        if image is None or depth is None:
            raise ValueError(
                "image and depth go together, and a mask with both: the model knows them as one; give both, or an "
                "image alone after load_depth_model"
            )
        return image, as_depth(depth)


def _repeated(
    image: NDArray[np.uint8],
    depth: NDArray[np.uint16],
    mask: "Image | NDArray[np.bool_ | np.uint8] | None",
    count: int,
) -> tuple[Pictures, NDArray[np.bool_] | None]:
    """Repeat a picture and its mask for each of `count` samples."""
    redrawn = None if mask is None else np.stack([as_mask(mask)] * count)
    return Pictures.of([image] * count, [depth] * count), redrawn
