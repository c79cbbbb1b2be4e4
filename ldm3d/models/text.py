"""Captions as the U-Net reads them: CLIP's token ids, and its last hidden states."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from ldm3d.fingerprint import fingerprint_of_network

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

EMPTY_CAPTION = ""
"""What stands for no caption, in training (caption dropout) as in sampling (classifier-free guidance)."""


def tokenise(tokenizer: "CLIPTokenizer", captions: Sequence[str]) -> Tensor:
    """Captions -> (N, L) int64 token ids, L = 77 for Stable Diffusion.

    A start token, the caption in lower case, an end token, and padding up to L. Of a longer caption the first L - 2
    tokens are kept.
    """
    ids: Tensor = tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )["input_ids"]
    return ids


def encode(text_encoder: "CLIPTextModel", ids: Tensor) -> Tensor:
    """Token ids, (N, L) int64 -> (N, L, D) states of the last layer after its norm, D = 768 for Stable Diffusion v1.

    Padding is read like words, without a mask: so Stable Diffusion was trained.
    """
    states: Tensor = text_encoder(ids.to(text_encoder.device)).last_hidden_state
    return states


def fingerprint_of_text(text_encoder: "CLIPTextModel", tokenizer: "CLIPTokenizer") -> str:
    """SHA-256, in hex, of all that decides what `encode` makes of a caption: weights, vocabulary, length."""
    words = json.dumps([tokenizer.model_max_length, sorted(tokenizer.get_vocab().items())])
    return hashlib.sha256(f"{fingerprint_of_network(text_encoder)} {words}".encode()).hexdigest()
