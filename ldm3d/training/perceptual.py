"""LPIPS (Zhang et al. 2018), frozen."""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Self

import torch
from torch import Tensor, nn

SMALLEST = {"vgg": 16, "alex": 31, "squeeze": 17}
"""Pixels a side that leave the deepest features of a backbone one pixel."""


class Perceptual(nn.Module):
    """Learned perceptual distance, version 0.1, with the linear heads that the `lpips` package brings.

    It is always in eval mode, whatever `train()` says: the heads have dropout, and a parent module's `train()` would
    switch it on. No parameter asks for a gradient. Its construction leaves torch's random state as it was.

    Args:
        network: the backbone.
        weights: of the backbone. `torchvision` (ImageNet, downloaded once into TORCH_HOME), `random` (the same ones
            each time; what they measure is not perception), or the path of a torchvision state dict, safetensors or
            else what torch.load reads with weights_only.
        setting: what the settings of both are called, for messages.

    Raises:
        ValueError: the weights cannot be had, or are not those of `network`.
    """

    def __init__(
        self,
        network: Literal["vgg", "alex", "squeeze"] = "vgg",
        weights: str = "torchvision",
        setting: str = "loss.perceptual",
    ) -> None:
        super().__init__()
        from lpips import LPIPS

        self.network, self.setting = network, setting
        with _seeded_and_quiet():
            try:
                self.lpips = LPIPS(net=network, pnet_rand=weights != "torchvision", verbose=False)
            except OSError as error:
                raise ValueError(
                    f"the {network} weights of torchvision did not come: {error}. "
                    f"Set {setting}.weights to the path of its state dict, copied from a machine that has it."
                ) from error
        if weights not in ("torchvision", "random"):
            _load(self.lpips.net, weights, network, setting)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode."""
        del mode
        return super().train(False)

    def forward(self, pictures: Tensor, others: Tensor) -> Tensor:
        """The distance of each pair, in float32 under autocast too: it is a small difference of features.

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
                f"pictures are {height} x {width}, wanted {SMALLEST[self.network]} pixels a side for LPIPS with "
                f"{self.network}: take larger ones, another {self.setting}.network, or weigh it 0"
            )
        with torch.autocast(pictures.device.type, enabled=False):
            distances: Tensor = self.lpips(pictures.float(), others.float())
        return distances.flatten()


def _load(backbone: nn.Module, path: str, network: str, setting: str) -> None:
    """Fills the slices of LPIPS: its `slice2.5.weight` is torchvision's `features.5.weight`."""
    try:
        state = _read(path)
        backbone.load_state_dict({name: state[f"features.{name.split('.', 1)[1]}"] for name in backbone.state_dict()})
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
    """Random weights from a seed of their own; without torchvision's warnings of how lpips calls it."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        torch.default_generator.manual_seed(0)
        yield
