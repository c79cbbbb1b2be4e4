"""How well pictures match their captions: 100 times the cosine of CLIP's embeddings (arXiv 2103.00020)."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldm3d.config import ClipConfig
from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network, settings_of
from ldm3d.measures.batch import CLIP_COLUMNS, Batch, clip_table
from ldm3d.models.hub import require_hub
from ldm3d.models.quiet import quiet
from ldm3d.models.unreadable import named, why_unreadable

CACHED = 100_000  # captions, 300 MB with ViT-L/14
LONGEST = 16  # times the short side: a longer picture, resized whole, might not fit into memory
BYTES = 512  # tokens that every CLIP tokenizer has: each byte, inside a word and at its end


class ClipSimilarity:
    """Measures `clip`: 100 · cosine, -100 to 100; NaN without captions.

    If asked for, also `embedding`, list<float32>[D]: the picture's, of unit length.

    Pillow preprocesses the pictures, which gives OpenAI's own pixels to the bit; torchvision's differ by a level.
    Captions longer than the model's 77 tokens are cut before the end token.
    """

    def __init__(
        self, model: Any, processor: Any, tokenizer: Any, config: ClipConfig, *, embeddings: bool = False
    ) -> None:
        """`model`, `processor` and `tokenizer` are those of a CLIP of transformers."""
        self.embeddings = embeddings
        width = pa.list_(pa.float32(), model.config.projection_dim)
        self.columns = CLIP_COLUMNS.append(pa.field("embedding", width)) if embeddings else CLIP_COLUMNS
        self.model, self.processor, self.tokenizer, self.config = model.eval(), processor, tokenizer, config
        self.length = model.config.text_config.max_position_embeddings
        self.captions: dict[str, NDArray[np.float32]] = {}
        words = sorted(tokenizer.get_vocab().items())
        self.judge = fingerprint_of(
            fingerprint_of_network(model), settings_of(model.config), words, settings_of(processor), config.prefix
        )
        # rows of another kind, but the score is the same
        self.fingerprint = fingerprint_of(self.judge, "embedding") if embeddings else self.judge

    @classmethod
    def from_pretrained(cls, config: ClipConfig, device: str, *, embeddings: bool = False) -> Self:
        """Load a CLIP of transformers.

        Raises:
            ValueError: it does not load, is not a CLIP, or lacks weights.
        """
        from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

        known: dict[str, Any] = {"revision": config.revision}
        name = named("--clip.model", config.model, config.revision)
        try:
            require_hub(config.model, config.revision)
            options: dict[str, Any] = {"use_safetensors": True, "output_loading_info": True, **known}
            with quiet():
                loaded: Any = CLIPModel.from_pretrained(config.model, dtype=torch.float32, **options)
            processor = CLIPImageProcessorPil.from_pretrained(config.model, **known)
            tokenizer = CLIPTokenizer.from_pretrained(config.model, **known)
        except Exception as error:  # broken files make the libraries raise nearly anything
            wanted = (
                "give a folder written by save_pretrained, a hub id that every node can reach or has cached, or conse"
            )
            why = why_unreadable(config.model, config.revision, error, wanted)
            raise ValueError(f"{name} did not load {why}") from error
        model, found = loaded
        if problem := _mismatch(model, found["missing_keys"], processor, tokenizer):
            raise ValueError(f"{name}: {problem}")
        return cls(model.to(device), processor, tokenizer, config, embeddings=embeddings)

    def __call__(self, batch: Batch) -> pa.Table:
        scores = np.full(len(batch), np.nan)
        if batch.captions is None and not self.embeddings:
            return clip_table(scores, None)
        pictures = np.empty((len(batch), self.model.config.projection_dim), np.float32)
        for start in range(0, len(batch), self.config.batch_size):
            some = slice(start, start + self.config.batch_size)
            pictures[some] = self.of_pictures(batch.images[some]).cpu().numpy()
            if batch.captions is not None:
                scores[some] = 100 * (pictures[some] * self.of_captions(batch.captions[some])).sum(1)
        return clip_table(scores, pictures if self.embeddings else None)

    @torch.inference_mode()
    def of_pictures(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Embed pictures: (N, D) float32 of unit length."""
        pixels = _pixels(self.processor, [_shortened(image) for image in images])
        return _unit(self.model.get_image_features(pixel_values=pixels.to(self.model.device)))

    @torch.inference_mode()
    def of_captions(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Embed captions: (N, D) of unit length. Embeddings are cached by caption."""
        new = list(dict.fromkeys(caption for caption in captions if caption not in self.captions))
        if len(self.captions) + len(new) > CACHED:
            self.captions, new = {}, list(dict.fromkeys(captions))
        for start in range(0, len(new), self.config.batch_size):
            some = new[start : start + self.config.batch_size]
            ids = self.tokenizer(
                [self.config.prefix + caption for caption in some],
                padding=True,
                truncation=True,
                max_length=self.length,
                return_tensors="pt",
            ).to(self.model.device)
            found = _unit(self.model.get_text_features(**ids)).cpu().numpy()
            self.captions |= dict(zip(some, found, strict=True))
        return np.stack([self.captions[caption] for caption in captions])


def _mismatch(model: Any, missing: set[str], processor: Any, tokenizer: Any) -> str | None:
    """Describe which parts of a CLIP do not fit together. The libraries invent whatever files they do not find."""
    words, most = len(tokenizer), model.config.text_config.vocab_size
    sides = (model.config.vision_config.image_size,) * 2
    made = tuple(_pixels(processor, [np.zeros((2, 2, 3), np.uint8)]).shape[-2:])
    if missing:
        return f"its file lacks weights ({len(missing)}, {min(missing)} first): is it a CLIP?"
    if not BYTES <= words <= most:
        return f"its tokenizer has {words} tokens, wanted {BYTES} to {most}: are its files missing?"
    if made != sides:
        return f"its image processor makes {made} pixels, wanted {sides}: is it another model's?"
    return None


def _pixels(processor: Any, images: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Preprocess pictures for the network: (N, 3, H, W) float32."""
    found = processor(images=images, return_tensors="pt", input_data_format="channels_last")
    pixels: Tensor = found["pixel_values"]
    return pixels


def _shortened(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut a very long picture down to its middle; CLIP sees only the middle square anyway."""
    high, wide = image.shape[:2]
    top, left = (max(0, side - LONGEST * min(high, wide)) // 2 for side in (high, wide))
    return image[top : high - top, left : wide - left]


def _unit(embeddings: Any) -> Tensor:
    """Scale to unit length, in float32. transformers 5 wraps embeddings in an output object."""
    tensor: Tensor = embeddings if isinstance(embeddings, Tensor) else embeddings.pooler_output
    return functional.normalize(tensor.float(), dim=-1)
