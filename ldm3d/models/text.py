"""Captions as the U-Net reads them: CLIP's token ids and last hidden states."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from ldm3d.fingerprint import fingerprint_of_network

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

EMPTY_CAPTION = ""
"""Stands for no caption in training (caption dropout) and in sampling (classifier-free guidance)."""


def tokenise(tokenizer: "CLIPTokenizer", captions: Sequence[str]) -> Tensor:
    """Turn N captions into (N, L) int64 token ids; L is 77 for Stable Diffusion.

    A row is a start token, the caption in lower case, an end token, and padding up to L. A longer caption is
    truncated to L - 2 tokens.
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
    """Turn (N, L) int64 token ids into (N, L, D) last hidden states after the final norm; D is 768 for v1.

    Padding is read like words, without a mask, as Stable Diffusion was trained.
    """
    states: Tensor = text_encoder(ids.to(text_encoder.device)).last_hidden_state
    return states


def fingerprint_of_text(text_encoder: "CLIPTextModel", tokenizer: "CLIPTokenizer") -> str:
    """Return the SHA-256, in hex, of everything that `encode` depends on: weights, vocabulary, length."""
    words = json.dumps([tokenizer.model_max_length, sorted(tokenizer.get_vocab().items())])
    return hashlib.sha256(f"{fingerprint_of_network(text_encoder)} {words}".encode()).hexdigest()
