"""Captions -> the text embeddings that the U-Net reads, as they are stored."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.models.text import EMPTY_CAPTION, encode, tokenise


class CaptionEncoder:
    """A frozen text encoder on one device, the GPU if there is one; in float32, as it costs little.

    Every batch is padded to its full size, for the same reason as in `LatentEncoder`.
    """

    def __init__(self, text_encoder: Any, tokenizer: Any, batch_size: int) -> None:
        """Move `text_encoder`, a `CLIPTextModel` in float32 and evaluation mode, to the device."""
        self.text_encoder = text_encoder.to("cuda" if torch.cuda.is_available() else "cpu").requires_grad_(False)
        self.tokenizer, self.batch_size = tokenizer, batch_size

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> NDArray[np.float16]:
        """Encode N captions to (N, L, D); values beyond float16 are not finite."""
        size = self.batch_size
        found = []
        for start in range(0, len(captions), size):
            batch = list(captions[start : start + size])
            filled = batch + [EMPTY_CAPTION] * (size - len(batch))
            states = encode(self.text_encoder, tokenise(self.tokenizer, filled))
            found.append(states[: len(batch)].half().cpu().numpy())
        return np.concatenate(found)
