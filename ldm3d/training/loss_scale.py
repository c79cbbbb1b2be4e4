"""Loss scaling for float16, so that small gradients do not become zero (Micikevicius et al. 2018)."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

FIRST = 2.0**16
GROWS_AFTER = 2_000  # steps in a row without an overflow


class LossScale:
    """A power of two: halved when gradients overflow, doubled after 2,000 steps without an overflow.

    It works like torch's GradScaler. But its state is plain numbers, it tells overflows, which are part of the method,
    from steps that are bad for another reason, and it decides once for networks that step together.

    Args:
        is_needed: False keeps the scale at 1 and checks nothing.
    """

    def __init__(self, is_needed: bool) -> None:
        self.is_needed = is_needed
        self.value = FIRST if is_needed else 1.0
        self._good = 0

    @torch.no_grad()
    def unscale(self, gradients: Iterable[Tensor]) -> None:
        """Divide gradients by the scale, in place."""
        if self.is_needed:
            torch._foreach_div_(list(gradients), self.value)

    def overflows(self, norms: Mapping[str, Tensor]) -> bool:
        """Whether to skip a step, as a gradient was too large for float16; the scale is then lower for the next.

        At a scale of 1 nothing is an overflow: the scale is not to blame.

        Args:
            norms: by name, of the gradients averaged over workers.
        """
        if not self.is_needed:
            return False
        if self.value > 1 and not all(bool(norm.isfinite()) for norm in norms.values()):
            self.value, self._good = self.value / 2, 0
            return True
        self._good += 1
        if self._good == GROWS_AFTER:
            self.value, self._good = self.value * 2, 0
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"value": self.value, "good": self._good}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.value, self._good = state["value"], state["good"]
