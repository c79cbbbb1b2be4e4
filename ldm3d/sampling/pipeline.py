"""A whole model behind one call, for those who know the pipelines of diffusers."""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ldm3d.config import LabelConfig, ModelConfig
from ldm3d.data.pictures import Pictures
from ldm3d.depth.relative import DepthEstimator
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.base import load_scheduler, load_text, load_unet
from ldm3d.models.checkpoint import Components
from ldm3d.models.source import Source
from ldm3d.models.text import EMPTY_CAPTION, fingerprint_of_text
from ldm3d.models.text_embeddings import TextEmbeddings
from ldm3d.models.trained import check_scaled, load_any_autoencoder
from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.image_to_rgbd import image_to_latents, image_to_rgbd, require_depth
from ldm3d.sampling.noise import SEEDS
from ldm3d.sampling.samples import Sample
from ldm3d.sampling.text_to_rgbd import text_to_latents, text_to_rgbd

StepEnd = Callable[[Any, int, Tensor, dict[str, Any]], dict[str, Any] | None]
"""Called after each step with the pipeline, the step's index from 0, its timestep and `{"latents": latents}`;
`latents` in what it returns replace them."""


OutputType = Literal["pil", "np", "pt", "latent"]


@dataclass(frozen=True)
class RgbdOutput:
    """N samples.

    images, depths: as `pil`, lists of pictures of mode RGB and I;16; as `np`, (N, H, W, 3) uint8 and (N, H, W) uint16;
        as `pt`, (N, 3, H, W) and (N, 1, H, W) float32 [0, 1]. Depth is relative inverse depth, larger = nearer;
        depths are None of a model that draws none.
        As `latent` nothing is decoded: images are (N, C, h, w) float32 latents of image and depth in one, in the scale
        of diffusers' (float32 even where networks are not), and depths None. Divided by
        `pipeline.vae.config.scaling_factor` they are the autoencoder's own; `ldm3d.sampling.decode_latents` divides by
        itself.
    seeds: N; the same prompts with these seeds give these samples.
    """

    images: Any
    depths: Any
    seeds: list[int]


class RgbdPipeline:
    """Captions, or pictures and captions, to pictures with depth.

        pipeline = RgbdPipeline.from_pretrained("Intel/ldm3d-4c").to("cuda")
        output = pipeline("a lemon on a wooden table", seed=7)
        output.images[0].save("lemon.png")
        output.depths[0].save("lemon-depth.png")  # 16 bits

    The scheduler is an attribute, to be replaced by any of diffusers made from its configuration. A Stable Diffusion
    checkpoint is a baseline: it draws RGB alone, from text alone.
    """

    def __init__(self, components: Components) -> None:
        self.vae, self.unet, self.scheduler = components.vae, components.unet, components.scheduler
        self.text_encoder, self.tokenizer = components.text_encoder, components.tokenizer
        self.embeddings = TextEmbeddings(self.text_encoder, self.tokenizer)
        self.depth_estimator: DepthEstimator | None = None

    @classmethod
    def from_pretrained(cls, model: str, revision: str | None = None, dtype: torch.dtype = torch.float32) -> Self:
        """A model of `train_diffusion` or `export`, LDM3D of 6 or 4 channels, or Stable Diffusion v1.x or 2.x, by path
        or hub id.

        Raises:
            ValueError: it cannot be read, is neither LDM3D nor Stable Diffusion, or weights are missing or not stored
                as safetensors.
        """
        source = Source("model", model, revision)
        vae = load_any_autoencoder(source, dtype)
        check_scaled(source, vae.config)
        channels = vae.config["in_channels"]
        # a base of three channels is one that LDM3D may be made of, whatever its channels are to be
        config = ModelConfig(base=model, revision=revision, channels=6 if channels == 3 else channels)
        unet, scheduler = load_unet(config, dtype), load_scheduler(config)
        return cls(Components(vae, unet, *load_text(config, dtype), scheduler))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Moves the networks, and changes their type if one is given."""
        for network in (self.vae, self.unet, self.text_encoder):
            torch.nn.Module.to(network, torch.device(device), dtype)  # diffusers' own warns wherever a type is given
        self.embeddings.forget()
        return self

    def fingerprint(self) -> str:
        """SHA-256, in hex, of what makes a picture of a caption and a seed: weights, words, noise schedule, size."""
        parts = [
            fingerprint_of_network(self.vae),
            self.vae.config["scaling_factor"],
            fingerprint_of_network(self.unet),
            self.unet.config["sample_size"],
            fingerprint_of_text(self.text_encoder, self.tokenizer),
            {name: value for name, value in self.scheduler.config.items() if not name.startswith("_")},
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def load_depth_model(self, model: str = "Intel/dpt-large", revision: str | None = None) -> None:
        """What estimates the depth of pictures that are given without: any depth model of transformers.

        Raises:
            ValueError: it does not load, or what it predicts is not known.
        """
        self.depth_estimator = DepthEstimator.from_pretrained(LabelConfig(depth_model=model, revision=revision))

    def load_lora_weights(self, weights: str, **options: Any) -> None:
        """As the method of this name of diffusers' Stable Diffusion pipelines, which does the work."""
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
        image: NDArray[np.uint8] | None = None,
        depth: NDArray[np.uint16] | None = None,
        mask: NDArray[np.bool_] | None = None,
        strength: float = 0.8,
        negative_prompt: str = EMPTY_CAPTION,
        num_images_per_prompt: int = 1,
        seed: int | Sequence[int] | None = None,
        output_type: OutputType = "pil",
        tile: int | None = None,
        callback_on_step_end: StepEnd | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
        **settings: Any,
    ) -> RgbdOutput:
        """Samples, those of one prompt after those of another.

        Args:
            prompt: one, or several.
            image, depth, mask: a picture to begin with, (H, W, 3) uint8, with its depth, (H, W) uint16, for all
                prompts; with a mask, (H, W) bool, it is drawn anew where that is True. Depth that is not given is
                estimated, after `load_depth_model`.
            strength: see `ldm3d.sampling.image_to_rgbd`.
            negative_prompt: what guidance leads away from.
            seed: of every sample; or of the first, those after it have the numbers that follow. None draws one.
            output_type: see `RgbdOutput`.
            tile: see `ldm3d.sampling.text_to_rgbd`; means nothing where latents are asked for.
            callback_on_step_end: called as by diffusers, after each step of each batch: with this pipeline, step,
                timestep and `{"latents": latents}`; `latents` in what it returns replace them.
            callback_on_step_end_tensor_inputs: nothing but `latents` is to be had.
            settings: of `ldm3d.sampling.text_to_rgbd`: height, width (of text alone), num_inference_steps,
                guidance_scale, guidance_rescale, eta, batch_size, callback, panorama.

        Raises:
            ValueError: a setting is out of range, or pictures, seeds, prompts and model do not go together.
        """
        if num_images_per_prompt < 1:
            raise ValueError(f"num_images_per_prompt is {num_images_per_prompt}, wanted 1 or more")
        if output_type not in get_args(OutputType):
            raise ValueError(f"output_type is {output_type!r}, wanted one of {', '.join(get_args(OutputType))}")
        if image is not None:
            require_depth(self)
        if image is not None and depth is None and self.depth_estimator is not None:
            depth = self.depth_estimator(image[None]).depth[0]
        if (image is None) != (depth is None) or (image is None and mask is not None):
            raise ValueError(
                "image and depth go together, and a mask with both: the model knows them as one; load_depth_model "
                "gives what estimates depth"
            )
        if settings.pop("generator", None) is not None:
            remedy = "give seed, a number or one a sample, which stands for torch.Generator().manual_seed(seed)"
            raise ValueError(f"generator is given, but every sample has a seed of its own: {remedy}")
        if callback_on_step_end is not None and settings.get("callback") is not None:
            raise ValueError("callback and callback_on_step_end are both given: want one of them")
        if callback_on_step_end is not None:
            settings["callback"] = as_callback(self, callback_on_step_end, callback_on_step_end_tensor_inputs)
        given = [prompt] if isinstance(prompt, str) else list(prompt)
        prompts = [each for each in given for _ in range(num_images_per_prompt)]
        seeds = _seeds(seed, len(prompts))
        text, empty = self.embeddings(prompts), self.embeddings([negative_prompt])
        if image is None or depth is None:
            if output_type == "latent":
                return RgbdOutput(text_to_latents(self, text, empty, seeds, **settings), None, seeds)
            samples = text_to_rgbd(self, prompts, text, empty, seeds, tile=tile, **settings)
        else:
            pictures, redrawn = _repeated(image, depth, mask, len(prompts))
            settings |= {"strength": strength, "redrawn": redrawn}
            if output_type == "latent":
                return RgbdOutput(image_to_latents(self, pictures, text, empty, seeds, **settings), None, seeds)
            samples = image_to_rgbd(self, pictures, prompts, text, empty, seeds, tile=tile, **settings)
        return RgbdOutput(*_as(output_type, samples), seeds)


def _seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    if seed is None:
        seed = secrets.randbelow(SEEDS)
    return [(seed + index) % SEEDS for index in range(count)] if isinstance(seed, int) else list(seed)


def _repeated(
    image: NDArray[np.uint8], depth: NDArray[np.uint16], mask: NDArray[np.bool_] | None, count: int
) -> tuple[Pictures, NDArray[np.bool_] | None]:
    """One picture for each of so many samples."""
    images, depths = np.stack([image] * count), np.stack([depth] * count)
    redrawn = None if mask is None else np.stack([mask] * count)
    return Pictures(torch.from_numpy(images), torch.from_numpy(depths)), redrawn


def _as(kind: OutputType, samples: list[Sample]) -> tuple[Any, Any]:
    """Images and depths of samples; None in place of depths where there are none."""
    images, depths = [sample.image for sample in samples], [each.depth for each in samples if each.depth is not None]
    if kind == "pil":
        return [Image.fromarray(image) for image in images], [Image.fromarray(depth) for depth in depths] or None
    if kind == "np":
        return np.stack(images), np.stack(depths) if depths else None
    colour = torch.from_numpy(np.stack(images)).movedim(-1, 1).float() / 255
    return colour, torch.from_numpy(np.stack(depths).astype(np.float32))[:, None] / DEPTH_MAX if depths else None


def as_callback(pipeline: Any, step_end: StepEnd, inputs: Sequence[str] | None = None) -> Callback:
    """
    Args:
        inputs: diffusers' `callback_on_step_end_tensor_inputs`; None is what the callback asks for, or the latents.

    Raises:
        ValueError: it asks for anything but `latents`.
    """
    wanted = list(getattr(step_end, "tensor_inputs", None) or ["latents"] if inputs is None else inputs)
    if wanted not in ([], ["latents"]):
        raise ValueError(
            f"callback_on_step_end asks for {', '.join(wanted)}, wanted latents alone: they may be changed"
        )

    def callback(step: int, timestep: Tensor, latents: Tensor) -> Tensor | None:
        given = {"latents": latents} if wanted else {}
        return (step_end(pipeline, step, timestep, given) or {}).get("latents")

    return callback
