"""A cache of caption embeddings."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ldm3d.models.text import encode, tokenise

MOST = 1_000  # captions: 230 MB of Stable Diffusion's in float32


class TextEmbeddings:
    """A text encoder that remembers the `most` captions used last.

    Captions are encoded one by one: in floating point a row depends on the shape of its batch, so a sample would
    depend on how many others are drawn with it. Compared with the sampling steps, this costs little.
    """

    def __init__(self, text_encoder: Any, tokenizer: Any, most: int = MOST) -> None:
        """Wrap `text_encoder`, a `CLIPTextModel` in evaluation mode; embeddings have its device and dtype."""
        self.text_encoder, self.tokenizer, self.most = text_encoder, tokenizer, most
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    @torch.no_grad()
    def __call__(self, captions: Sequence[str]) -> Tensor:
        """Return the embeddings of N captions, (N, L, D)."""
        return torch.stack([self._embedding(caption) for caption in captions])

    def forget(self) -> None:
        """Drop all embeddings, as the text encoder has changed."""
        self._known.clear()

    def _embedding(self, caption: str) -> Tensor:
        if caption not in self._known:
            self._known[caption] = encode(self.text_encoder, tokenise(self.tokenizer, [caption]))[0]
        self._known.move_to_end(caption)
        if len(self._known) > self.most:
            self._known.popitem(last=False)
        return self._known[caption]
