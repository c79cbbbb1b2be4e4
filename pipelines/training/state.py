"""Everything that a training is made of at a step: networks, optimisers, the guard. Saved and restored."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ldm3d.training.ema import Ema
from ldm3d.training.guard import StepGuard
from ldm3d.training.loss_scale import LossScale
from pipelines.training.parallel import gather, parts, spread, whole


@dataclass(frozen=True)
class Trained:
    """One network with its optimiser.

    network: the bare one, whose parameter names checkpoints have.
    wrapped: what is called in training (`pipelines.training.parallel.wrap`).
    average: of the weights, over steps; None where none is kept.
    """

    network: nn.Module
    wrapped: nn.Module
    optimiser: Optimizer
    average: Ema | None = None

    def weights_to_use(self) -> AbstractContextManager[None]:
        """The network has its averaged weights inside the `with`; its own where no average is kept."""
        return self.average.swapped_into(self.network) if self.average else nullcontext()


@dataclass(frozen=True)
class TrainingState:
    """By name, what is trained together; what judges its steps; what its losses are multiplied by."""

    trained: Mapping[str, Trained]
    guard: StepGuard
    scale: LossScale

    def judgement(self) -> dict[str, Any]:
        """What the next steps are judged by, as JSON values."""
        return {"guard": self.guard.state_dict(), "scale": self.scale.state_dict()}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The files of a checkpoint: of each network weights, moments and average. Every worker has to call it; the
        first alone gets them."""
        files = {}
        for name, each in self.trained.items():
            files[name], files[f"{name}_optimiser"] = gather(each.network, each.optimiser)
            if each.average:
                files[f"{name}_average"] = whole(each.average.state_dict())
        return files

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], judgement: Mapping[str, Any]) -> None:
        """Go on from a checkpoint. Every worker has to call it.

        Args:
            tensors, judgement: as the methods of these names gave them; the tensors of workers but the first without
                content (`pipelines.training.parallel.announced`).

        Raises:
            ValueError: it is of other networks.
        """
        for name, each in self.trained.items():
            try:
                spread(each.network, each.optimiser, tensors[name], tensors[f"{name}_optimiser"])
                if each.average:
                    average, device = each.average, next(each.network.parameters()).device
                    average.load_state_dict(parts(tensors[f"{name}_average"], average.average, device))
            except (KeyError, RuntimeError, ValueError) as error:
                raise ValueError(
                    f"the checkpoint does not fit the {name}: {error}. Train into a new output, or with the settings "
                    "that are written there"
                ) from error
        self.guard.load_state_dict(judgement["guard"])
        self.scale.load_state_dict(judgement["scale"])
