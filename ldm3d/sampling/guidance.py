"""Classifier-free guidance: away from what the U-Net predicts without the caption."""

import torch
from torch import Tensor


def guide(conditional: Tensor, empty: Tensor, scale: float, rescale: float = 0.0) -> Tensor:
    """Apply classifier-free guidance (arXiv 2207.12598), rescaled as in arXiv 2305.08891, section 3.4.

    Args:
        conditional, empty: (N, C, h, w) predictions with and without the caption.
        scale: w of empty + w (conditional - empty).
        rescale: phi; 0 leaves the prediction as it is, 1 gives each sample the standard deviation of `conditional`.
    """
    guided = empty + scale * (conditional - empty)
    if rescale == 0:
        return guided
    axes = (1, 2, 3)
    matching = guided * (conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True))
    return rescale * matching + (1 - rescale) * guided


def matched(empty_text: Tensor, text: Tensor) -> Tensor:
    """Repeat the embeddings of the empty caption, (1 or N, L, D), to the shape of those of N captions.

    Raises:
        ValueError: the shapes do not go together.
    """
    if empty_text.shape[1:] != text.shape[1:] or len(empty_text) not in (1, len(text)):
        shapes = f"empty_text {tuple(empty_text.shape)}, text {tuple(text.shape)}"
        raise ValueError(f"{shapes}: want (1 or N, L, D) and (N, L, D); pad both to the tokenizer's length")
    return empty_text.expand_as(text).to(text)


def embedded_scale(scale: float, dim: int, text: Tensor) -> Tensor:
    """Return (N, dim) sinusoids of 1000 w, where w = scale - 1 is the scale of arXiv 2310.04378 (0 is no guidance)."""
    from diffusers.models.embeddings import get_timestep_embedding

    w = torch.full((len(text),), (scale - 1) * 1000.0, device=text.device)
    return get_timestep_embedding(w, dim)
