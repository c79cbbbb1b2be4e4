"""LPIPS (Zhang et al. 2018) with frozen weights."""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Self

import torch
from torch import Tensor, nn

SMALLEST = {"vgg": 16, "alex": 31, "squeeze": 17}
"""The smallest side in pixels, by backbone: its deepest features are then one pixel."""


class Perceptual(nn.Module):
    """Learned perceptual distance, version 0.1, with the linear heads from the `lpips` package.

    It is always in eval mode: the heads have dropout, which a parent module's `train()` would switch on. No parameter
    requires a gradient. Construction leaves torch's random state unchanged.

    Args:
        network: the backbone.
        weights: of the backbone: `torchvision` (ImageNet, downloaded once into TORCH_HOME), `random` (the same ones
            each time; they do not measure perception), or the path of a torchvision state dict, as safetensors or as
            torch.load reads it with weights_only.
        setting: prefix of the flags `.network` and `.weights`, for messages.

    Raises:
        ValueError: the weights cannot be loaded, or belong to another network.
    """

    def __init__(
        self,
        network: Literal["vgg", "alex", "squeeze"] = "vgg",
        weights: str = "torchvision",
        setting: str = "--loss.perceptual",
    ) -> None:
        super().__init__()
        from lpips import LPIPS

        self.network, self.setting = network, setting
        with _seeded_and_quiet():
            try:
                self.lpips = LPIPS(net=network, pnet_rand=weights != "torchvision", verbose=False)
            except OSError as error:
                raise ValueError(
                    f"torchvision's {network} weights could not be downloaded ({error}): "
                    f"set {setting}.weights to the path of their state dict, copied from a machine that has them."
                ) from error
        if weights not in ("torchvision", "random"):
            _load(self.lpips.net, weights, network, setting)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # changes rounding only, and saves a tenth to a quarter of its time
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, whatever `mode` is."""
        del mode
        return super().train(False)

    def forward(self, pictures: Tensor, others: Tensor) -> Tensor:
        """Return the distance of each pair, a small difference of features: in float32, under autocast too.

        Args:
            pictures, others: (B, 3, H, W) in [-1, 1].

        Returns:
            (B,), 0 for the same picture.

        Raises:
            ValueError: the pictures are too small for the backbone.
        """
        height, width = pictures.shape[-2:]
        if min(height, width) < SMALLEST[self.network]:
            raise ValueError(
                f"pictures are {height} x {width}, wanted {SMALLEST[self.network]} pixels a side or more for LPIPS "
                f"with {self.network}: use larger ones, another {self.setting}.network, or a weight of 0"
            )
        with torch.autocast(pictures.device.type, enabled=False):
            pair = (each.float().contiguous(memory_format=torch.channels_last) for each in (pictures, others))
            distances: Tensor = self.lpips(*pair)
        return distances.flatten()


def _load(backbone: nn.Module, path: str, network: str, setting: str) -> None:
    """Load torchvision's weights into the slices of LPIPS: `slice2.5.weight` is `features.5.weight` there."""
    try:
        state = _read(path)
        renamed = {}
        for name in backbone.state_dict():
            _, rest = name.split(".", 1)
            renamed[name] = state[f"features.{rest}"]
        backbone.load_state_dict(renamed)
    except (OSError, KeyError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        reason = f"{type(error).__name__} {error}".partition("\n")[0]
        raise ValueError(
            f"{setting}.weights {path!r} is not a torchvision state dict of {network} ({reason}): "
            "save what state_dict() of torchvision's model returns, with torch.save or as safetensors"
        ) from error


def _read(path: str) -> dict[str, Tensor]:
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    return dict(torch.load(path, map_location="cpu", weights_only=True))


@contextmanager
def _seeded_and_quiet() -> Iterator[None]:
    """Draw random weights from a fixed seed, and silence torchvision's warnings about how lpips calls it."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        torch.default_generator.manual_seed(0)
        yield
