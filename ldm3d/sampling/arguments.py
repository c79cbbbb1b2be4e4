"""Arguments of diffusers' pipelines, and near misses: each is named with what to write in its place."""

import difflib
from collections.abc import Iterable

import torch

UNKNOWN_IN_CALLS = {
    "mask_image": "give mask",
    "steps": "give num_inference_steps",
    "cfg_scale": "give guidance_scale",
    "control_image": "give depth to ldm3d.sampling.depth_to_rgbd",
    "latents": "give seed, which decides the noise that a sample starts from",
    "prompt_embeds": "give prompt, or Prompts to ldm3d.sampling.text_to_rgbd",
    "negative_prompt_embeds": "give negative_prompt, or Prompts to ldm3d.sampling.text_to_rgbd",
    "timesteps": "set pipeline.scheduler to one that spaces its steps so",
    "sigmas": "set pipeline.scheduler to one that spaces its steps so",
    "callback_steps": "callbacks come after each step: leave it out",
    "clip_skip": "the last layer of the text encoder is read, as the model was trained: leave it out",
    "cross_attention_kwargs": "load low-rank updates with load_lora_weights",
    "ip_adapter_image": "there are no image adapters: give image and strength",
    "ip_adapter_image_embeds": "there are no image adapters: give image and strength",
    "padding_mask_crop": "crop image, depth and mask",
}
UNKNOWN_IN_LOADING = {
    "variant": "weights of *.fp16.safetensors are read where there are no others: leave it out",
    "use_safetensors": "nothing else is ever read: leave it out",
    "safety_checker": "there is none: leave it out",
    "requires_safety_checker": "there is none: leave it out",
    "feature_extractor": "there is none: leave it out",
    "device_map": "call to(device) afterwards",
    "low_cpu_mem_usage": "leave it out",
    "cache_dir": "set HF_HUB_CACHE in the environment",
    "local_files_only": "set HF_HUB_OFFLINE=1 in the environment",
    "token": "set HF_TOKEN in the environment",
    "scheduler": "set pipeline.scheduler afterwards",
    "custom_pipeline": "this is the pipeline: leave it out",
}
UNKNOWN_METHODS = {
    "enable_attention_slicing": "attention needs little memory with torch's own kernels: leave it out",
    "enable_xformers_memory_efficient_attention": "torch's own attention is used: leave it out",
    "enable_vae_tiling": "give tile=512 in the call",
    "enable_vae_slicing": "pictures are decoded a few at a time anyway: leave it out",
    "enable_model_cpu_offload": "load with dtype=torch.float16, and give batch_size in the call",
    "enable_sequential_cpu_offload": "load with dtype=torch.float16, and give batch_size in the call",
    "set_progress_bar_config": "there is no progress bar: leave it out, or show one in callback_on_step_end",
    "fuse_lora": "call ldm3d.models.lora.merge_lora(pipeline.unet)",
    "encode_prompt": "call pipeline.embeddings(captions)",
}


def refuse_unknown(names: Iterable[str], known: Iterable[str], instead: dict[str, str]) -> None:
    """Refuse arguments that there are not.

    Args:
        known: the right names, of which close ones are suggested.
        instead: what to do in place of arguments that others have.

    Raises:
        ValueError: one is not known.
    """
    right = sorted(known)
    for name in names:
        if name in right:
            continue
        close = difflib.get_close_matches(name, right, n=1)
        advice = instead.get(name) or (f"did you mean {close[0]}?" if close else f"there are {', '.join(right)}")
        raise ValueError(f"there is no argument {name}: {advice}")


def one_dtype(dtype: torch.dtype | None, older: torch.dtype | None) -> torch.dtype:
    """Return the type that weights are loaded in, by either of its names; float32 if neither is given.

    Raises:
        ValueError: they differ.
    """
    if dtype is not None and older is not None and dtype != older:
        raise ValueError(f"dtype is {dtype} and torch_dtype is {older}: want one of them")
    return dtype or older or torch.float32
