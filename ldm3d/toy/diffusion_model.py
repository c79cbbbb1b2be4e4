"""A small untrained Stable Diffusion, the base of the preset `toy`, with the same classes and files.

32 x 32 pixels, 8 x 8 x 4 latents, and a vocabulary of the scenes' captions. Training starts from it as it would from
Stable Diffusion v1.4. But the text encoder stays frozen, so its random weights must be useful as they are: it tells
words and positions apart, and mixes each word with those before it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ldm3d.models.checkpoint import Components, save_pipeline
from ldm3d.models.stable_diffusion import SCHEDULER
from ldm3d.toy.scenes import Scene

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

TEXT_LENGTH = 20  # tokens: the longest caption has 14 words, plus a token at either end
TEXT_WIDTH = 64
AUTOENCODER: dict[str, Any] = {  # of factor 4, with about 0.7 M parameters
    "sample_size": 32,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (16, 32, 64),
    "layers_per_block": 1,
    "norm_num_groups": 8,
}
UNET: dict[str, Any] = {  # with about 4 M parameters
    "sample_size": 8,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (64, 128),
    "layers_per_block": 1,
    "cross_attention_dim": TEXT_WIDTH,
    "attention_head_dim": 8,
    "norm_num_groups": 8,
}


def make_base_model(folder: str | Path, seed: int = 0) -> None:
    """Save a model with random weights to `folder`, new or empty. The same seed makes the same bytes."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = make_tokenizer(scene_words())
        text_encoder = _text_encoder(tokenizer)
        vae, unet = AutoencoderKL(**AUTOENCODER), UNet2DConditionModel(**UNET)
        save_pipeline(folder, Components(vae, unet, text_encoder, tokenizer, DDIMScheduler(**SCHEDULER)))


def scene_words() -> list[str]:
    """Return every word in the captions of scenes, sorted."""
    return sorted({word for seed in range(1_000) for word in Scene.from_seed(seed).caption.split()})


def make_tokenizer(words: Iterable[str], length: int = TEXT_LENGTH) -> "CLIPTokenizer":
    """Build a CLIP tokenizer in which each of `words` is one token; it spells out any other.

    Args:
        words: in lower case, letters only.
        length: tokens that a caption is padded or truncated to.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())  # the 256 bytes
    merges: list[tuple[str, str]] = []
    for word in words:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        for merge in merges:
            pieces = _merged(pieces, merge)
        while len(pieces) > 1:  # a new merge ranks below the old ones, so it changes no earlier word
            merges.append((pieces[0], pieces[1]))
            pieces = _merged(pieces, merges[-1])
    last_letters = [f"{letter}</w>" for letter in letters]
    merged = [first + second for first, second in merges]
    tokens = dict.fromkeys([*letters, *last_letters, *merged, "<|startoftext|>", "<|endoftext|>"])  # each once
    ids = {token: number for number, token in enumerate(tokens)}
    # merges are pairs, despite the annotation
    return CLIPTokenizer(vocab=ids, merges=merges, model_max_length=length)  # type: ignore[arg-type]


def _merged(pieces: list[str], merge: tuple[str, str]) -> list[str]:
    """Join every neighbouring pair in `pieces` that is `merge`."""
    out: list[str] = []
    for piece in pieces:
        if out and (out[-1], piece) == merge:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def _text_encoder(tokenizer: "CLIPTokenizer") -> "CLIPTextModel":
    """Build one layer over embeddings much larger than CLIP's initial ones, so that they outweigh what it adds."""
    from transformers import CLIPTextConfig, CLIPTextModel

    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    nn.init.normal_(text_encoder.embeddings.token_embedding.weight)
    nn.init.normal_(text_encoder.embeddings.position_embedding.weight)
    return text_encoder
