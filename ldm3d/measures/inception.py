"""The Inception v3 of 2015-12-05, the network of published FIDs, as torch-fidelity ported it."""

import hashlib
import io
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network
from ldm3d.measures import inception_resize
from ldm3d.models.precision import full_float32

Resize = Literal["tf1", "clean"]


class Inception:
    """torch-fidelity's network as a `Classifier`, in float32 throughout: half precision shifts FID.

    The 2,048 features are those of the last pooling. The 1,008 class scores leave out the bias of the last layer, as
    the graph behind the published Inception Score does.
    """

    widths = (2_048, 1_008)

    def __init__(self, network: nn.Module, resize: Resize, device: str) -> None:
        """`network` is a `FeatureExtractorInceptionV3`."""
        parts: list[Any] = list(network.children())
        *layers, last = parts
        self.fingerprint = fingerprint_of("inception-v3-compat", fingerprint_of_network(network), resize)
        # both change features in the last bits only; channels-last convolutions take half the time on a CPU
        self.trunk = _fold_norms(nn.Sequential(*layers)).to(device).to(memory_format=torch.channels_last)
        self.classes = last.weight.detach().T.to(device)
        self.resize, self.device = resize, device

    @classmethod
    def load(cls, weights: str, resize: Resize, device: str) -> Self:
        """Load the network.

        Args:
            weights: `torch-fidelity`, or the path of its file or of another file of the same layout.

        Raises:
            ValueError: the weights cannot be obtained, or are not this network's.
        """
        path = _downloaded() if weights == "torch-fidelity" else Path(weights)
        return cls(_network(path), resize, device)

    def __call__(self, pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8 -> (B, 2048), (B, 1008) float32."""
        resize = inception_resize.tf1 if self.resize == "tf1" else inception_resize.clean
        pixels = resize(pictures, self.device)
        with torch.autocast(pixels.device.type, enabled=False), full_float32():
            normal = ((pixels - 128) / 128).contiguous(memory_format=torch.channels_last)
            features = self.trunk(normal).flatten(1)
            return features, features @ self.classes


def _downloaded() -> Path:
    """Return torch-fidelity's file in torch's cache, downloaded if need be and checked against its hash."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    name: str = URL_INCEPTION_V3.rpartition("/")[2]
    path = Path(torch.hub.get_dir(), "checkpoints", name)
    prefix = path.stem.rpartition("-")[2]
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=prefix, progress=False)
        with path.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except Exception as error:  # no network, wrong hash, truncated response, no write permission
        raise ValueError(
            f"the weights of Inception could not be downloaded from {URL_INCEPTION_V3} ({error}): "
            f"put that file into {path.parent}, or give its path as --inception.weights"
        ) from error
    if not found.startswith(prefix):
        raise ValueError(
            f"{path} has SHA-256 {found[: len(prefix)]}..., wanted {prefix}...: its content does not match its name. "
            "Remove it to download it again; to use it as it is, give its path as --inception.weights."
        )
    return path


def _network(path: Path) -> nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        # FeatureExtractorInceptionV3 would unpickle anything, so it only gets a copy written here, of plain tensors
        safe = io.BytesIO()
        torch.save(torch.load(path, map_location="cpu", weights_only=True), safe)
        safe.seek(0)
        network: nn.Module = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=safe
        )
        if not all(weight.isfinite().all() for weight in network.state_dict().values()):
            raise ValueError("some weights are not finite")
    except Exception as error:  # a broken pickle makes torch raise nearly anything
        reason = " ".join(f"{error}".split())[:300] or type(error).__name__
        raise ValueError(
            f"--inception.weights {str(path)!r} did not load ({reason}): give a state dict of torch-fidelity's "
            "Inception, such as weights-inception-2015-12-05-6726825d.pth"
        ) from error
    return network


def _fold_norms(trunk: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution before it, in place."""
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d

    for block in list(trunk.modules()):
        if isinstance(block, BasicConv2d):
            block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
    return trunk
