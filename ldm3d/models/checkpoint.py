"""A whole model as a folder in diffusers layout, which old and new readers can open.

Weights are stored as safetensors only, so loading a checkpoint never runs code from it.
"""

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_lcm import LCMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer


@dataclass(frozen=True)
class Components:
    """Everything that turns a caption into RGBD."""

    vae: "AutoencoderKL"
    unet: "UNet2DConditionModel"
    text_encoder: "CLIPTextModel"
    tokenizer: "CLIPTokenizer"
    scheduler: "DDIMScheduler | LCMScheduler"
    """The noise schedule, and what the U-Net predicts (`prediction_type`). LCM says that the model was distilled for
    few steps."""


def save_pipeline(folder: str | Path, components: Components) -> None:
    """Write the model to `folder`, completely or not at all, in the layout of Intel/ldm3d.

    The same weights make the same bytes. `load_base` and diffusers' pipelines open the folder. With a three-channel
    autoencoder it is a Stable Diffusion checkpoint.

    Raises:
        ValueError: `folder` exists and is not empty.
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty: give a new folder, or remove this one")
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        _write(draft, components)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(folder: Path, components: Components) -> None:
    vae, unet, text_encoder = components.vae, components.unet, components.text_encoder
    for name, network in (("vae", vae), ("unet", unet)):
        config = json.loads(network.to_json_string())
        config.pop("_name_or_path", None)  # a path on this machine
        _write_json(folder / name / "config.json", config)
        _write_weights(folder / name / "diffusion_pytorch_model.safetensors", network)
    named = {"architectures": ["CLIPTextModel"], "dtype": str(text_encoder.dtype).removeprefix("torch.")}
    text_config = json.loads(text_encoder.config.to_json_string()) | named
    _write_json(folder / "text_encoder" / "config.json", text_config)
    # transformers 5 leaves out this prefix, and vocab.json and merges.txt; version 4 needs them
    _write_weights(folder / "text_encoder" / "model.safetensors", text_encoder, prefix="text_model.")
    core = components.tokenizer.backend_tokenizer
    core.no_padding()  # otherwise the file depends on the captions that the tokenizer was last called with
    core.no_truncation()
    components.tokenizer.save_pretrained(folder / "tokenizer")
    core.model.save(str(folder / "tokenizer"))
    components.scheduler.save_pretrained(folder / "scheduler")
    is_rgb = vae.config["in_channels"] == 3
    pipeline = "StableDiffusionPipeline" if is_rgb else "StableDiffusionLDM3DPipeline"
    _write_json(folder / "model_index.json", _index(pipeline, type(components.scheduler).__name__))


def _index(pipeline: str, scheduler: str) -> dict[str, Any]:
    """Return `model_index.json`, which tells diffusers the class of each part."""
    import diffusers

    return {
        "_class_name": pipeline,
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _write_weights(file: Path, network: nn.Module, prefix: str = "") -> None:
    from safetensors.torch import save_file

    # contiguous: safetensors refuses weights that were trained channels-last
    weights = {prefix + name: weight.detach().cpu().contiguous() for name, weight in network.state_dict().items()}
    save_file(weights, file, metadata={"format": "pt"})
    shutil.copymode(file.with_name("config.json"), file)  # safetensors makes it readable by its owner only
