"""Embeddings of captions, each made once."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ldm3d.models.text import encode, tokenise

MOST = 1_000  # captions: 230 MB of Stable Diffusion's in float32


class TextEmbeddings:
    """A text encoder that remembers the captions it was asked for last.

    Captions are encoded one by one: in floating point a row depends on the shape of its batch, and so would a sample
    on the captions of others. Beside the steps of a sample that costs little.
    """

    def __init__(self, text_encoder: Any, tokenizer: Any, most: int = MOST) -> None:
        """`text_encoder`: a `CLIPTextModel` in evaluation mode; embeddings are on its device and of its type."""
        self.text_encoder, self.tokenizer, self.most = text_encoder, tokenizer, most
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    @torch.no_grad()
    def __call__(self, captions: Sequence[str]) -> Tensor:
        """N captions -> (N, L, D)."""
        return torch.stack([self._embedding(caption) for caption in captions])

    def forget(self) -> None:
        """The text encoder has changed."""
        self._known.clear()

    def _embedding(self, caption: str) -> Tensor:
        if caption not in self._known:
            self._known[caption] = encode(self.text_encoder, tokenise(self.tokenizer, [caption]))[0]
        self._known.move_to_end(caption)
        if len(self._known) > self.most:
            self._known.popitem(last=False)
        return self._known[caption]
