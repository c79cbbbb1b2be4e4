"""Captions -> what the U-Net reads of them, as it is stored."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.models.text import EMPTY_CAPTION, encode, tokenise


class CaptionEncoder:
    """A frozen text encoder on one device, the GPU where there is one; in float32, as it costs little.

    Every batch has the full size, as with `LatentEncoder`, and for the same reason.
    """

    def __init__(self, text_encoder: Any, tokenizer: Any, batch_size: int) -> None:
        """`text_encoder`: a `CLIPTextModel` in float32 and evaluation mode; it is moved to the device."""
        self.text_encoder = text_encoder.to("cuda" if torch.cuda.is_available() else "cpu").requires_grad_(False)
        self.tokenizer, self.batch_size = tokenizer, batch_size

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> NDArray[np.float16]:
        """N captions -> (N, L, D), not finite where a state is beyond float16."""
        size = self.batch_size
        found = []
        for start in range(0, len(captions), size):
            batch = list(captions[start : start + size])
            filled = batch + [EMPTY_CAPTION] * (size - len(batch))
            states = encode(self.text_encoder, tokenise(self.tokenizer, filled))
            found.append(states[: len(batch)].half().cpu().numpy())
        return np.concatenate(found)
