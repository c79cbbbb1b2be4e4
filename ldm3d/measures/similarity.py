"""How well pictures go with their captions: 100 times the cosine of CLIP's embeddings (arXiv 2103.00020)."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F  # noqa: N812 -- the name the whole field uses
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.config import ClipConfig
from ldm3d.measures.batch import Batch, Measure
from ldm3d.measures.features import fingerprint_of
from ldm3d.models.checkpoint import fingerprint_of_network

COLUMNS = pa.schema([("clip", pa.float64())])
CACHED = 100_000  # captions: 300 MB of ViT-L/14's


class ClipSimilarity:
    """The measure: `clip`, 100 · cosine, -100 to 100.

    Pictures are preprocessed by Pillow, which gives OpenAI's own pixels to the bit; torchvision's differ by a level.
    Captions longer than the model's 77 tokens are cut before the end token.
    """

    columns = COLUMNS

    def __init__(self, model: Any, processor: Any, tokenizer: Any, config: ClipConfig) -> None:
        """`model`, `processor`, `tokenizer`: of a CLIP of transformers."""
        self.model, self.processor, self.tokenizer, self.config = model.eval(), processor, tokenizer, config
        self.length = model.config.text_config.max_position_embeddings
        self.captions: dict[str, NDArray[np.float32]] = {}
        words = sorted(tokenizer.get_vocab().items())
        looks = processor.to_dict()
        self.fingerprint = fingerprint_of(
            fingerprint_of_network(model), words, {name: str(looks[name]) for name in sorted(looks)}, config.prefix
        )

    @classmethod
    def from_pretrained(cls, config: ClipConfig, device: str) -> Self:
        """
        Raises:
            ValueError: it does not load, or is no CLIP, or lacks weights.
        """
        from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

        known: dict[str, Any] = {"revision": config.revision}
        try:
            options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
            loaded: Any = CLIPModel.from_pretrained(config.model, **options, **known)
            processor = CLIPImageProcessorPil.from_pretrained(config.model, **known)
            tokenizer = CLIPTokenizer.from_pretrained(config.model, **known)
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"clip.model {config.model!r} (revision {config.revision!r}) did not load: {error}. "
                "Give a folder written by save_pretrained, a hub id that every node can reach or has cached, or conse."
            ) from error
        model, found = loaded
        if missing := sorted(found["missing_keys"]):
            raise ValueError(f"clip.model {config.model!r} lacks {len(missing)} weights, {missing[0]} first: no CLIP?")
        return cls(model.to(device), processor, tokenizer, config)

    def __call__(self, batch: Batch) -> pa.Table:
        """NaN where there are no captions."""
        if batch.captions is None:
            return pa.table({"clip": np.full(len(batch), np.nan)}, schema=COLUMNS)
        found = np.empty(len(batch))
        for start in range(0, len(batch), self.config.batch_size):
            some = slice(start, start + self.config.batch_size)
            pictures = self.of_pictures(batch.images[some]).cpu().numpy()
            found[some] = 100 * (pictures * self.of_captions(batch.captions[some])).sum(1)
        return pa.table({"clip": found}, schema=COLUMNS)

    @torch.inference_mode()
    def of_pictures(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """(N, D) float32, of length 1."""
        pixels = self.processor(images=list(images), return_tensors="pt", input_data_format="channels_last")
        return _unit(self.model.get_image_features(pixel_values=pixels["pixel_values"].to(self.model.device)))

    @torch.inference_mode()
    def of_captions(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """(N, D), of length 1. Those of captions that come again are kept."""
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


def similarity_of(config: ClipConfig, device: str) -> Measure:
    """
    Raises:
        ValueError: the networks cannot be had.
    """
    if config.model == "conse":
        from ldm3d.measures.conse import Conse

        return Conse.load(config, device)
    return ClipSimilarity.from_pretrained(config, device)


def _unit(embeddings: Any) -> Tensor:
    """Of length 1, in float32. transformers 5 wraps them."""
    tensor: Tensor = embeddings if isinstance(embeddings, Tensor) else embeddings.pooler_output
    return F.normalize(tensor.float(), dim=-1)
