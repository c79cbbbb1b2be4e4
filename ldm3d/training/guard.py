"""Skips steps that must not reach the weights, and gives up after too many."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ldm3d.training.ranks import Reduce, alone

# Times the usual norm: Adam's step would be no longer, but it would then hardly move for 1,000 steps.
EXPLOSION = 1_000.0
MEMORY = 50  # steps over which the usual norm is averaged; before that many there is none


class DivergedError(RuntimeError):
    """Too many steps in a row were bad."""


class StepGuard:
    """Decides before each optimiser step whether to take it. All workers get the same answer.

    A step is bad if a loss or gradient norm is not finite on any worker, or a norm is over 1,000 times its recent
    average.

    Args:
        max_skipped: bad steps in a row that are skipped; one more ends the run.
        reduce: mean over workers, called once a step.
    """

    def __init__(self, max_skipped: int, reduce: Reduce = alone) -> None:
        self.max_skipped = max_skipped
        self.skipped = 0
        self.in_a_row = 0
        self._reduce = reduce
        self._usual: dict[str, tuple[int, float]] = {}  # by name: steps seen, average norm

    def accepts(self, losses: Sequence[Tensor], norms: Mapping[str, Tensor]) -> bool:
        """Whether to take the step. Waits for the device.

        Args:
            losses: scalars of this worker.
            norms: by name, of the gradients averaged over workers, before clipping.

        Raises:
            DivergedError: more than `max_skipped` bad steps in a row.
        """
        fine = torch.stack([loss.detach().float().isfinite() for loss in losses]).all()
        values = self._reduce(torch.stack([fine.float(), *(norm.detach().float() for norm in norms.values())]))
        all_fine, *measured = values.tolist()
        named = dict(zip(norms, measured, strict=True))
        if all_fine == 1 and all(self._is_usual(name, norm) for name, norm in named.items()):
            for name, norm in named.items():
                self._remember(name, norm)
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row > self.max_skipped:
            raise DivergedError(
                f"{self.in_a_row} steps in a row had a loss or gradient that is not finite or explodes (last: losses "
                f"{[loss.item() for loss in losses]}, gradient norms {named}). The last checkpoint is from before the "
                "latest of them: export it, or an older one, and start a new training from that, with a lower "
                "--optimiser.learning-rate or --optimiser.max-grad-norm."
            )
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return JSON values with which a resumed run decides as this one would."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row, "usual": self._usual}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.skipped, self.in_a_row = state["skipped"], state["in_a_row"]
        self._usual = {name: (seen, average) for name, (seen, average) in state["usual"].items()}

    def _is_usual(self, name: str, norm: float) -> bool:
        seen, average = self._usual.get(name, (0, 0.0))
        return math.isfinite(norm) and (seen < MEMORY or norm <= EXPLOSION * average)

    def _remember(self, name: str, norm: float) -> None:
        """Update the usual norm. Vanishing norms do not count: those of a discriminator that wins for a while."""
        seen, average = self._usual.get(name, (0, 0.0))
        if norm * EXPLOSION < average or norm == 0:
            return
        seen = min(seen + 1, MEMORY)
        self._usual[name] = (seen, average + (norm - average) / seen)
