"""The whole state of a training at a step: networks, optimisers, guard, loss scale. Saved and restored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ldm3d.training.ema import Ema
from ldm3d.training.guard import StepGuard
from ldm3d.training.loss_scale import LossScale
from pipelines.training.parallel import forget_gathered, gather, parts, spread, whole


@dataclass(frozen=True)
class Trained:
    """One network with its optimiser."""

    network: nn.Module
    """The bare one: checkpoints have its parameter names."""
    wrapped: nn.Module
    """The module to call in training (`pipelines.training.parallel.wrap`)."""
    optimiser: Optimizer
    average: Ema | None = None
    """Moving average of the weights; None if none is kept."""

    @contextmanager
    def weights_to_use(self) -> Iterator[None]:
        """Give the network its averaged weights inside the `with`, if an average is kept."""
        with self.average.swapped_into(self.network) if self.average else nullcontext():
            forget_gathered(self.network)
            yield
            forget_gathered(self.network)


@dataclass(frozen=True)
class TrainingState:
    """Networks that are trained together, and what their steps depend on."""

    trained: Mapping[str, Trained]
    """By name."""
    guard: StepGuard
    scale: LossScale
    learning_rate: Callable[[int], float]
    """Maps the number of a step, from 0, to its learning rate. Not saved, as the settings determine it."""

    def judgement(self) -> dict[str, Any]:
        """Return copies of the states of guard and loss scale, which decide on the next steps, as JSON values."""
        return deepcopy({"guard": self.guard.state_dict(), "scale": self.scale.state_dict()})

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return the files of a checkpoint: weights, moments and average of each network.

        Every worker has to call it; the first alone gets them.
        """
        files = {}
        for name, each in self.trained.items():
            files[name], files[f"{name}_optimiser"] = gather(each.network, each.optimiser)
            if each.average:
                files[f"{name}_average"] = whole(each.average.state_dict())
        return files

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], judgement: Mapping[str, Any]) -> None:
        """Continue from a checkpoint. Every worker has to call it.

        Args:
            tensors, judgement: as the methods of these names returned them. On workers other than the first, tensors
                may lack content (`pipelines.training.parallel.announced`).

        Raises:
            ValueError: the checkpoint is of other networks.
        """
        for name, each in self.trained.items():
            try:
                spread(each.network, each.optimiser, tensors[name], tensors[f"{name}_optimiser"])
                if each.average:
                    average, device = each.average, next(each.network.parameters()).device
                    average.load_state_dict(parts(tensors[f"{name}_average"], average.average, device))
            except (KeyError, RuntimeError, ValueError) as error:
                raise ValueError(
                    f"the checkpoint does not fit the {name} ({error}): give a new --output, or the settings that the "
                    "checkpoint was trained with"
                ) from error
        self.guard.load_state_dict(judgement["guard"])
        self.scale.load_state_dict(judgement["scale"])
