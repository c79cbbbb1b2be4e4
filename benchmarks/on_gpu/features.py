"""Inception features: our network against torch-fidelity's own call."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.on_gpu.rates import compare, device
from benchmarks.on_gpu.sizes import Sizes
from ldm3d.measures.inception import Inception
from ldm3d.toy.inception_weights import make_inception_weights

ALIKE = 1e-2  # largest difference relative to the largest feature: theirs may use TF32


def measure(sizes: Sizes, seconds: float, turns: int) -> dict[str, Any]:
    """Compute features of noise. Returns pictures per second.

    Raises:
        RuntimeError: the features differ.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    shape = (sizes.batch, sizes.pixels, sizes.pixels, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).to(device())
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch, "weights.pth")
        make_inception_weights(weights)
        ours = Inception.load(str(weights), "tf1", device().type)
        theirs: Any = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
        ).to(device())
    with torch.inference_mode():
        mine, other = ours(pictures)[0], theirs(planes)[0]
        difference = ((mine - other).abs().max() / other.abs().max()).item()
        if difference > ALIKE:
            raise RuntimeError(f"features differ by {difference:.1e} of the largest")
        sides = {
            "ours": (lambda: ours(pictures), sizes.batch),
            "torch-fidelity": (lambda: theirs(planes), sizes.batch),
        }
        return compare(sides, "torch-fidelity", seconds, turns)
