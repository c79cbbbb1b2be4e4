"""The networks that measure pictures, by name, loaded where they run."""

from typing import Any

import torch

from ldm3d.config import EvaluateConfig
from ldm3d.measures import Measure
from pipelines.resources import hide_other_gpus

FEATURES, SIMILARITY, DEPTH, RECONSTRUCTION = "inception", "clip", "depth", "autoencoder"
"""Names of measures; an autoencoder's is followed by a point and its place among those that are measured."""


def open_measure(name: str, config: EvaluateConfig) -> Measure:
    """
    Raises:
        ValueError: its weights cannot be had, or are not what they should be.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, place = name.partition(".")
    if kind == FEATURES:
        from ldm3d.measures.features import features_of

        return features_of(config.inception, device)
    if kind == SIMILARITY:
        from ldm3d.measures.similarity import similarity_of

        return similarity_of(config.clip, device)
    if kind == DEPTH:
        from ldm3d.measures.depth_agreement import DepthAgreement

        depth: Measure = DepthAgreement.from_pretrained(config.depth, device)
        return depth
    from ldm3d.measures.features import features_of
    from ldm3d.measures.reconstruction import AutoencoderQuality

    model = config.reconstruction.models[int(place)]
    quality: Measure = AutoencoderQuality.from_pretrained(
        model, config.reconstruction, features_of(config.inception, device), device
    )
    return quality


def try_measures(names: list[str], config: EvaluateConfig) -> dict[str, Any]:
    """Load each on this worker. Returns their fingerprints by name, and the device.

    Raises:
        ValueError: one does not load.
    """
    hide_other_gpus()
    torch.set_num_threads(1)
    found = {name: open_measure(name, config).fingerprint for name in names}
    return {"fingerprints": found, "device": "cuda" if torch.cuda.is_available() else "cpu"}
