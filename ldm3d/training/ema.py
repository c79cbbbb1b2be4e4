"""The moving average of a network's weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ldm3d.config import EmaConfig

UPDATES = "updates"


class Ema:
    """Exponential moving average, in float32: average <- decay average + (1 - decay) weights after every step.

    Only parameters that are trainable when this is made are averaged (with LoRA just the updates), never buffers.

    Args:
        module: its weights are the first average. Give the bare module: parameter names are keys of `state_dict`.
        config: decay and warm-up.
    """

    def __init__(self, module: nn.Module, config: EmaConfig) -> None:
        self.config = config
        self.updates = 0
        self.average = {
            name: weight.detach().to(torch.float32, copy=True) for name, weight in _trained(module).items()
        }

    @property
    def decay(self) -> float:
        """The share that the next update keeps; with warm-up, min(decay, (1 + t) / (10 + t)) after t updates."""
        if not self.config.warmup:
            return self.config.decay
        return min(self.config.decay, (1 + self.updates) / (10 + self.updates))

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Include the weights after an optimiser step."""
        weights = _named(module, self.average)
        torch._foreach_lerp_(list(self.average.values()), [weight.float() for weight in weights], 1 - self.decay)
        self.updates += 1

    @contextmanager
    def swapped_into(self, module: nn.Module) -> Iterator[None]:
        """Give the module the averaged weights inside the `with`, and restore its own bit for bit after it."""
        weights = _named(module, self.average)
        own = [weight.clone() for weight in weights]
        try:
            _copy(weights, list(self.average.values()))
            yield
        finally:
            _copy(weights, own)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averages by parameter name, float32, and the scalar `updates`."""
        return {**self.average, UPDATES: torch.tensor(self.updates)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a `state_dict`.

        Raises:
            ValueError: it has other parameters.
        """
        wanted = {*self.average, UPDATES}
        if state.keys() != wanted:
            differing = sorted(state.keys() ^ wanted)
            raise ValueError(
                f"this average belongs to another network: names differ ({len(differing)}, {differing[0]} first). "
                "Load it into an Ema of the network and lora settings that it was saved with."
            )
        _copy(list(self.average.values()), [state[name] for name in self.average])
        self.updates = int(state[UPDATES])


def _trained(module: nn.Module) -> dict[str, Tensor]:
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def _named(module: nn.Module, names: Mapping[str, Tensor]) -> list[Tensor]:
    parameters = dict(module.named_parameters())
    return [parameters[name].detach() for name in names]


@torch.no_grad()
def _copy(targets: list[Tensor], sources: list[Tensor]) -> None:
    for target, source in zip(targets, sources, strict=True):
        target.copy_(source)
