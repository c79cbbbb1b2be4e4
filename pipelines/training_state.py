"""Everything that a training is made of at a step: networks, optimisers, the guard. Saved and restored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ldm3d.training.guard import StepGuard
from pipelines.parallel import gather, spread


@dataclass(frozen=True)
class Trained:
    """One network with its optimiser.

    network: the bare one, whose parameter names checkpoints have.
    wrapped: what is called in training (`pipelines.parallel.wrap`).
    """

    network: nn.Module
    wrapped: nn.Module
    optimiser: Optimizer


@dataclass(frozen=True)
class TrainingState:
    """By name, what is trained together, and what judges its steps."""

    trained: Mapping[str, Trained]
    guard: StepGuard

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The files of a checkpoint: of each network weights and moments. Every worker has to call it."""
        files = {}
        for name, each in self.trained.items():
            files[name], files[f"{name}_optimiser"] = gather(each.network, each.optimiser)
        return files

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], guard: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: it is of other networks.
        """
        for name, each in self.trained.items():
            try:
                spread(each.network, each.optimiser, tensors[name], tensors[f"{name}_optimiser"])
            except (KeyError, RuntimeError) as error:
                raise ValueError(
                    f"the checkpoint does not fit the {name}: {error}. Train into a new output, or with the settings "
                    "that are written there"
                ) from error
        self.guard.load_state_dict(guard)
