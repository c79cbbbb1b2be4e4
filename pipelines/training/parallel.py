"""Networks on several workers: wrapped for training, gathered whole for checkpoints, spread out again.

The first worker reads and writes checkpoints. The others are told the names, shapes and types of a checkpoint's
tensors, as tensors on the device `meta`, and get their part of each in turn: only the first holds more than its own.
"""

from collections.abc import Mapping
from dataclasses import replace
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
    """Return the module to call in training, whose `backward` averages gradients; `network` itself on one worker.

    `network`, already on its device, is laid out, compiled and sharded in place, as the settings say. With `fsdp`,
    each block is gathered when it is needed.
    """
    if config.channels_last:
        network.to(memory_format=torch.channels_last)
    if config.compile:
        network.compile()
    if not _are_many():
        return network
    if config.strategy == "ddp":
        device_ids = [device] if device.type == "cuda" else None
        # views of the buckets, as gradients, save a copy of them all in each step
        return nn.parallel.DistributedDataParallel(network, device_ids, gradient_as_bucket_view=True)
    from torch.distributed.fsdp import fully_shard

    for block in _blocks(network):
        fully_shard(block)
    fully_shard(network)
    return network


def forget_gathered(network: nn.Module) -> None:
    """Make a sharded network gather its weights again when it is next called, as their shards have changed.

    After a forward pass without a backward pass, FSDP keeps what the outermost module gathered.
    """
    from torch.distributed.fsdp import FSDPModule

    if isinstance(network, FSDPModule):
        network.reshard()


def gather(network: nn.Module, optimiser: Optimizer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return trained weights by name, and the optimiser's moments by `<parameter>:<moment>`.

    They are copies on the CPU, as checkpoints are written while training continues. Every worker has to call it; the
    first gets them, others may get nothing.
    """
    options = _options(network)
    weights: dict[str, Any] = get_model_state_dict(network, options=options)
    state: Any = {}
    if optimiser.state:  # else torch would create it by an empty step, which Adam's bias correction counts
        state = get_optimizer_state_dict(network, optimiser, options=options).get("state", {})
    moments = {f"{name}:{moment}": value for name, each in state.items() for moment, value in each.items()}
    return _copies(weights), _copies(moments)


def spread(
    network: nn.Module, optimiser: Optimizer, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
) -> None:
    """Load what `gather` returned, in place. The optimiser keeps its settings. Every worker has to call it.

    Args:
        weights, moments: on workers other than the first, tensors may lack content.

    Raises:
        RuntimeError: the weights are of another network.
    """
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    if differing := sorted((weights.keys() - network.state_dict().keys()) | (trained - weights.keys())):
        raise RuntimeError(f"weights are missing or unexpected ({len(differing)}, {differing[0]} first)")
    options = replace(_options(network), broadcast_from_rank0=_are_many())
    set_model_state_dict(network, dict(weights) if _is_first() else {}, options=options)
    if not moments:
        return
    state: dict[str, Any] = {}
    for key, value in moments.items():
        name, _, moment = key.rpartition(":")
        state.setdefault(name, {})[moment] = value
    settings: Any = get_optimizer_state_dict(network, optimiser)["param_groups"]
    whole_state: Any = {"state": state, "param_groups": settings}
    set_optimizer_state_dict(network, optimiser, whole_state if _is_first() else {}, options=options)


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return CPU copies of tensors that may be sharded. Every worker has to call it; the first alone gets them."""
    found: dict[str, Any] = dict(tensors)
    copies: dict[str, Tensor] = {}
    for name, value in found.items():
        full = value.full_tensor() if _is_shard(value) else value
        if _is_first():
            copies |= _copies({name: full})
    return copies


def parts(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return the first worker's tensors, sharded as those of the same name in `like`: the inverse of `whole`.

    Args:
        tensors: on workers other than the first, they may lack content.
        device: of the worker.
    """
    from torch.distributed.tensor import distribute_tensor

    cut = {}
    for name, value in tensors.items():
        twin: Any = like.get(name)
        received = _received(value, device)
        if _is_shard(twin):
            received = distribute_tensor(received, twin.device_mesh, twin.placements, src_data_rank=None)
        cut[name] = received
    return cut


def announced(tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Return files of tensors without their content, for the first worker to tell the others."""
    return {file: {name: value.to("meta") for name, value in each.items()} for file, each in tensors.items()}


def from_first(value: Any) -> Any:
    """Return the first worker's value, which is pickled, on all of them. Every worker has to call it."""
    if not _are_many():
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def _received(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the first worker's tensor, on the device of each; unchanged on a single worker."""
    if not _are_many():
        return tensor
    whole = tensor.to(device) if _is_first() else torch.empty_like(tensor, device=device)
    distributed.broadcast(whole, src=0)
    return whole


def _are_many() -> bool:
    return distributed.is_initialized() and distributed.get_world_size() > 1


def _is_first() -> bool:
    return not distributed.is_initialized() or distributed.get_rank() == 0


def _is_shard(tensor: Any) -> bool:
    return hasattr(tensor, "full_tensor")


def _options(network: nn.Module) -> StateDictOptions:
    """Ask for trained weights, unsharded. `strict` would require frozen weights, too."""
    has_frozen = any(not weight.requires_grad for weight in network.parameters())
    return StateDictOptions(
        full_state_dict=True, cpu_offload=True, ignore_frozen_params=has_frozen, strict=not has_frozen
    )


def _blocks(network: nn.Module) -> list[nn.Module]:
    """Return the blocks of diffusers' autoencoders and U-Nets: each a few megabytes to a tenth of the weights."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    within = {id(inner) for outer in lists for inner in outer.modules() if inner is not outer}
    return [block for outer in lists if id(outer) not in within for block in outer]


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    form = torch.contiguous_format  # which safetensors requires
    return {name: value.detach().cpu().clone(memory_format=form) for name, value in tensors.items()}
