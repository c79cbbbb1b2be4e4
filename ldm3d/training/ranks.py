"""Several workers as one."""

from collections.abc import Callable

from torch import Tensor, distributed

Reduce = Callable[[Tensor], Tensor]
"""Mean of a tensor over all workers, the same on each. Every worker has to call it, as often and in one order."""


def alone(tensor: Tensor) -> Tensor:
    """The mean over one worker."""
    return tensor


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """The mean over the default process group; `tensor` itself where there is none."""
    if not distributed.is_initialized():
        return tensor
    mean = tensor.clone()
    distributed.all_reduce(mean)
    return mean / distributed.get_world_size()
