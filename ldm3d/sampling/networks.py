"""The networks of a whole model, and all that is done with them but drawing: loading, saving, moving."""

from pathlib import Path
from typing import Any, NoReturn, Self

import torch

from ldm3d.config import ModelConfig
from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network
from ldm3d.models.base import load_drawing_scheduler, load_text, load_unet
from ldm3d.models.checkpoint import Components, save_pipeline
from ldm3d.models.source import Source
from ldm3d.models.text import fingerprint_of_text
from ldm3d.models.text_embeddings import TextEmbeddings
from ldm3d.models.trained import check_scaled, load_any_autoencoder
from ldm3d.sampling.arguments import UNKNOWN_IN_LOADING, UNKNOWN_METHODS, one_dtype, refuse_unknown


class Networks:
    """What a pipeline draws with: a `Model` of `ldm3d.sampling.samples`, and the text encoder."""

    def __init__(self, components: Components) -> None:
        self.vae, self.unet, self.scheduler = components.vae, components.unet, components.scheduler
        self.text_encoder, self.tokenizer = components.text_encoder, components.tokenizer
        self.embeddings = TextEmbeddings(self.text_encoder, self.tokenizer)

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
        unet, scheduler = load_unet(config, dtype, setting), load_drawing_scheduler(config, setting)
        return cls(Components(vae, unet, *load_text(config, dtype, setting), scheduler))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to a new or empty folder, as `train_diffusion` does: `from_pretrained` opens it, and so do
        diffusers' pipelines.

        Raises:
            ValueError: the folder holds something, or what a folder cannot hold would be lost: another scheduler than
                DDIM or LCM, or low-rank updates that are not merged.
        """
        if (kind := type(self.scheduler).__name__) not in ("DDIMScheduler", "LCMScheduler"):
            raise ValueError(
                f"scheduler is {kind}, but a saved model opens with DDIMScheduler (or LCMScheduler, if distilled for "
                "few steps): save it with that, DDIMScheduler.from_config(pipeline.scheduler.config), and set yours "
                "after loading"
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
