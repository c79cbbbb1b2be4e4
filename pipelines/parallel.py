"""Networks on several workers: wrapped for training, gathered whole for checkpoints, spread out again."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def wrap(network: nn.Module, strategy: Literal["ddp", "fsdp"], device: torch.device) -> nn.Module:
    """The module to call in training, whose `backward` averages gradients over workers; `network` itself if alone.

    `fsdp` shards the parameters of `network` in place: each of its blocks is gathered when it is needed.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return network
    if strategy == "ddp":
        return nn.parallel.DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
    from torch.distributed.fsdp import fully_shard

    for block in _blocks(network):
        fully_shard(block)
    fully_shard(network)
    return network


def gather(network: nn.Module, optimiser: Optimizer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights by name, and the optimiser's moments by `<parameter>:<moment>`: copies on the CPU, for checkpoints that
    are written while training goes on. Every worker has to call it; the first gets them, others may get nothing.
    """
    weights: dict[str, Any] = get_model_state_dict(network, options=WHOLE)
    state: Any = get_optimizer_state_dict(network, optimiser, options=WHOLE).get("state", {})
    moments = {f"{name}:{moment}": value for name, each in state.items() for moment, value in each.items()}
    return _copies(weights), _copies(moments)


def spread(
    network: nn.Module, optimiser: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
) -> None:
    """The inverse of `gather`, in place. The settings of the optimiser stay its own."""
    set_model_state_dict(network, dict(weights), options=WHOLE)
    state: dict[str, Any] = {}
    for key, value in moments.items():
        name, _, moment = key.rpartition(":")
        state.setdefault(name, {})[moment] = value
    settings = get_optimizer_state_dict(network, optimiser)["param_groups"]
    set_optimizer_state_dict(network, optimiser, {"state": state, "param_groups": settings}, options=WHOLE)


def _blocks(network: nn.Module) -> list[nn.Module]:
    """What diffusers' autoencoders and U-Nets are lists of: a few megabytes to a tenth of the weights each."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    within = {id(inner) for outer in lists for inner in outer.modules() if inner is not outer}
    return [block for outer in lists if id(outer) not in within for block in outer]


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}
