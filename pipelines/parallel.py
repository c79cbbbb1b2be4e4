"""Networks on several workers: wrapped for training, gathered whole for checkpoints, spread out again."""

from collections.abc import Mapping
from typing import Any

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

from ldm3d.config import WorkersConfig


def wrap(network: nn.Module, config: WorkersConfig, device: torch.device) -> nn.Module:
    """The module to call in training, whose `backward` averages gradients over workers; `network` itself if alone.

    `network`, on its device already, is laid out, compiled and sharded in place, as the settings say: of `fsdp` each
    of its blocks is gathered when it is needed.
    """
    if config.channels_last:
        network.to(memory_format=torch.channels_last)
    if config.compile:
        network.compile()
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return network
    if config.strategy == "ddp":
        return nn.parallel.DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
    from torch.distributed.fsdp import fully_shard

    for block in _blocks(network):
        fully_shard(block)
    fully_shard(network)
    return network


def gather(network: nn.Module, optimiser: Optimizer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights by name, and the optimiser's moments by `<parameter>:<moment>`: copies on the CPU, for checkpoints that
    are written while training goes on. Weights that are not trained are left out. Every worker has to call it; the
    first gets them, others may get nothing.
    """
    options = _options(network)
    weights: dict[str, Any] = get_model_state_dict(network, options=options)
    state: Any = {}
    if optimiser.state:  # else torch would make one by a step of nothing, which Adam's bias correction counts
        state = get_optimizer_state_dict(network, optimiser, options=options).get("state", {})
    moments = {f"{name}:{moment}": value for name, each in state.items() for moment, value in each.items()}
    return _copies(weights), _copies(moments)


def spread(
    network: nn.Module, optimiser: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
) -> None:
    """The inverse of `gather`, in place. The settings of the optimiser stay its own.

    Raises:
        RuntimeError: the weights are of another network.
    """
    options = _options(network)
    found = set_model_state_dict(network, dict(weights), options=options)
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    if differing := sorted({*found.unexpected_keys} | (trained & {*found.missing_keys})):
        raise RuntimeError(f"{len(differing)} weights are missing or strange, {differing[0]} first")
    if not moments:
        return
    state: dict[str, Any] = {}
    for key, value in moments.items():
        name, _, moment = key.rpartition(":")
        state.setdefault(name, {})[moment] = value
    settings = get_optimizer_state_dict(network, optimiser)["param_groups"]
    set_optimizer_state_dict(network, optimiser, {"state": state, "param_groups": settings}, options=options)


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU of tensors that may be sharded. Every worker has to call it, and gets them."""
    found: dict[str, Any] = dict(tensors)
    return _copies({name: value.full_tensor() if _is_shard(value) else value for name, value in found.items()})


def shards(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors cut as those of the same name in `like` are; others stay as they are."""
    from torch.distributed.tensor import distribute_tensor

    cut = {}
    for name, value in tensors.items():
        twin: Any = like.get(name)
        cut[name] = distribute_tensor(value, twin.device_mesh, twin.placements) if _is_shard(twin) else value
    return cut


def _is_shard(tensor: Any) -> bool:
    return hasattr(tensor, "full_tensor")


def _options(network: nn.Module) -> StateDictOptions:
    """What is trained, whole. `strict` would ask for frozen weights, too."""
    has_frozen = any(not weight.requires_grad for weight in network.parameters())
    return StateDictOptions(
        full_state_dict=True, cpu_offload=True, ignore_frozen_params=has_frozen, strict=not has_frozen
    )


def _blocks(network: nn.Module) -> list[nn.Module]:
    """What diffusers' autoencoders and U-Nets are lists of: a few megabytes to a tenth of the weights each."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    within = {id(inner) for outer in lists for inner in outer.modules() if inner is not outer}
    return [block for outer in lists if id(outer) not in within for block in outer]


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    form = torch.contiguous_format  # which safetensors wants
    return {name: value.detach().cpu().clone(memory_format=form) for name, value in tensors.items()}
