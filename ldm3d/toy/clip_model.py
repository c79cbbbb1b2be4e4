"""A small CLIP, trained on scenes and their captions: it scores how well a picture matches a caption.

It is saved like any CLIP of transformers, so `CLIPModel.from_pretrained(folder)` loads it in place of ViT-L/14.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ldm3d.models.quiet import quiet
from ldm3d.toy.depth_model import ShowStep, descend, seeded, unseen
from ldm3d.toy.diffusion_model import TEXT_LENGTH, make_tokenizer, scene_words
from ldm3d.toy.scenes import Scene, render

BATCH_SIZE = 64
LEARNING_RATE = 1e-3
WARMUP_STEPS = 20
SIZE = 32  # pixels
TRAIN_SEEDS = 4 * 10**12  # first seed of the scenes; used nowhere else
VAL_SEEDS = range(5 * 10**12, 5 * 10**12 + 64)


@dataclass(frozen=True)
class ClipModelReport:
    """The quality of the model, on 64 held-out scenes."""

    recall: float
    """Share of pictures whose own caption scores highest among all, 1/64 by chance."""
    matched: float
    """Mean of 100 · cosine of pictures and their own captions."""
    shuffled: float
    """Mean of 100 · cosine of pictures and the captions of others."""
    losses: list[float]
    """Of each step."""
    parameters: int


def train_clip_model(folder: str | Path, steps: int = 300, seed: int = 0, show: ShowStep = unseen) -> ClipModelReport:
    """Train the model on one thread and save it to `folder`, with its image processor and tokenizer.

    On one machine the same arguments give the same weights.

    Args:
        steps: number of batches of 64 scenes, none of which is seen twice.
        show: called after each step.
    """
    tokenizer, processor = make_tokenizer(scene_words()), _processor()
    with seeded(seed):
        model = _clip(tokenizer)
        optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0.01)

        def loss_at(step: int) -> Tensor:
            first = TRAIN_SEEDS + (seed * steps + step) * BATCH_SIZE
            return _loss(_scores(model, range(first, first + BATCH_SIZE), processor, tokenizer))

        losses = descend(optimizer, loss_at, steps, WARMUP_STEPS, show=show)
        recall, matched, shuffled = _validate(model.eval(), processor, tokenizer)
    for part in (model, processor, tokenizer):
        with quiet():
            part.save_pretrained(folder)
    return ClipModelReport(recall, matched, shuffled, losses, model.num_parameters())


def _clip(tokenizer: Any) -> Any:
    from transformers import CLIPConfig, CLIPModel

    sizes = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4}
    tokens = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": TEXT_LENGTH}
    config = CLIPConfig(
        text_config=sizes | tokens | words,
        vision_config=sizes | {"image_size": SIZE, "patch_size": 4},
        projection_dim=64,
        initializer_factor=3.0,  # CLIP's own initial weights suit much wider towers
    )
    return CLIPModel(config)


def _processor() -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})


def _scores(model: Any, seeds: Sequence[int], processor: Any, tokenizer: Any) -> Tensor:
    """Score each picture with each caption, (B, B)."""
    scenes = [Scene.from_seed(seed) for seed in seeds]
    pixels = processor(images=[render(scene, SIZE).image for scene in scenes], return_tensors="pt")
    words = tokenizer([scene.caption for scene in scenes], padding=True, return_tensors="pt")
    scores: Tensor = model(**words, **pixels).logits_per_image
    return scores


def _loss(scores: Tensor) -> Tensor:
    """Return CLIP's loss: cross-entropy over captions for each picture, and over pictures for each caption."""
    own = torch.arange(len(scores))
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)) / 2


@torch.no_grad()
def _validate(model: Any, processor: Any, tokenizer: Any) -> tuple[float, float, float]:
    scores = _scores(model, VAL_SEEDS, processor, tokenizer)
    found = 100 * (scores / model.logit_scale.exp()).numpy()
    own = np.eye(len(found), dtype=bool)
    return (
        float(np.mean(found.argmax(1) == np.arange(len(found)))),
        float(found[own].mean()),
        float(found[~own].mean()),
    )
