"""One optimiser step of networks that are trained together: all of them step, or none."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.optim import Adam, AdamW, Optimizer

from ldm3d.config import AutoencoderConfig, DiffusionConfig, LoopConfig, OptimiserConfig
from ldm3d.training.guard import StepGuard
from ldm3d.training.learning_rate import learning_rate_factor
from ldm3d.training.loss_scale import LossScale
from ldm3d.training.ranks import mean_over_ranks
from pipelines.training.state import Trained, TrainingState


def make_optimiser(network: nn.Module, config: OptimiserConfig) -> Optimizer:
    """Make Adam for a network's trained parameters: one kernel for all of them. AdamW with weight decay."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if config.weight_decay:
        return AdamW(parameters, config.learning_rate, config.betas, weight_decay=config.weight_decay, fused=True)
    return Adam(parameters, config.learning_rate, config.betas, fused=True)


def make_state(
    trained: Mapping[str, Trained],
    config: AutoencoderConfig | DiffusionConfig,
    total_steps: int,
    device: torch.device,
) -> TrainingState:
    """Make the state of a training that begins, for networks that are trained together."""
    optimiser = config.optimiser
    return TrainingState(
        trained,
        guard=StepGuard(config.loop.max_skipped, mean_over_ranks),
        scale=LossScale(half_type(config.loop, device) == torch.float16),
        learning_rate=lambda step: optimiser.learning_rate * learning_rate_factor(step, total_steps, optimiser),
    )


def take_step(
    state: TrainingState, names: Sequence[str], losses: Sequence[Tensor], step: int, max_norm: float | None
) -> dict[str, Tensor]:
    """Step the optimisers of the named networks, unless gradients overflow or the guard forbids it.

    Args:
        state: its networks have their scaled gradients.
        losses: scalars of this worker, for the guard.
        step: of the whole training, from 0.
        max_norm: gradients with a larger norm are scaled down to it; None clips nothing.

    Returns:
        The norm of each network's gradients before clipping, and the learning rate.
    """
    trained = {name: state.trained[name] for name in names}
    rate = state.learning_rate(step)
    for each in trained.values():
        state.scale.unscale(weight.grad for weight in each.network.parameters() if weight.grad is not None)
    norms = {name: _clip(each.network, max_norm) for name, each in trained.items()}
    if not state.scale.overflows(norms) and state.guard.accepts(losses, norms):
        for each in trained.values():
            for group in each.optimiser.param_groups:
                group["lr"] = rate
            each.optimiser.step()
            if each.average:
                each.average.update(each.network)
    for each in trained.values():
        each.optimiser.zero_grad(set_to_none=True)
    return {f"gradient_norm/{name}": norm for name, norm in norms.items()} | {"learning_rate": torch.tensor(rate)}


@contextmanager
def gradients_kept(trained: Mapping[str, Trained], kept: bool) -> Iterator[None]:
    """Keep gradients on the worker inside the `with`, if `kept`: for all micro-batches of a step but the last."""
    with ExitStack() as stack:
        for each in trained.values():
            if kept and isinstance(each.wrapped, nn.parallel.DistributedDataParallel):
                stack.enter_context(each.wrapped.no_sync())
            elif isinstance(each.wrapped, FSDPModule):
                each.wrapped.set_requires_gradient_sync(not kept)
        yield


def half_type(config: LoopConfig, device: torch.device) -> torch.dtype | None:
    """Return the half-precision type of forward and backward passes; None for float32."""
    if config.precision != "auto":
        return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[config.precision]
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def precision_of(config: LoopConfig, device: torch.device) -> torch.autocast:
    """Return the context to run a forward pass in."""
    wanted = half_type(config, device)
    return torch.autocast(device.type, wanted or torch.bfloat16, enabled=wanted is not None)


def _clip(network: nn.Module, largest: float | None) -> Tensor:
    """Return the norm of all gradients, over all workers' shards. A larger one than `largest` is scaled down to it."""
    norm: Any = nn.utils.get_total_norm([each.grad for each in network.parameters() if each.grad is not None])
    if largest is not None:
        nn.utils.clip_grads_with_norm_(network.parameters(), largest, norm)
    whole: Tensor = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of FSDP's shards
    return whole
