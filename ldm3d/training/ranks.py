"""Means over workers."""

from collections.abc import Callable

from torch import Tensor, distributed

Reduce = Callable[[Tensor], Tensor]
"""The mean of a tensor over all workers, the same on each. All must call it equally often and in the same order."""


def alone(tensor: Tensor) -> Tensor:
    """Return the mean over one worker."""
    return tensor


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """Return the mean over the default process group; `tensor` itself if there is none."""
    if not distributed.is_initialized():
        return tensor
    mean = tensor.clone()
    distributed.all_reduce(mean)
    return mean / distributed.get_world_size()
