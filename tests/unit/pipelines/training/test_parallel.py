"""Two workers save and continue as one does, though only the first has read the checkpoint."""

import os
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn

from ldm3d.config import EmaConfig, WorkersConfig
from ldm3d.training.ema import Ema
from ldm3d.training.guard import StepGuard
from ldm3d.training.loss_scale import LossScale
from pipelines.training.parallel import announced, from_first, wrap
from pipelines.training.state import Trained, TrainingState
from tests.builders.worker_processes import run_workers

torch.set_num_threads(1)

WORKERS = 2
CPU = torch.device("cpu")
STRATEGIES = ("ddp", "fsdp")


class Network(nn.Module):
    """It has a list of blocks, as networks that are sharded, what lies outside them, an odd size, a frozen weight and
    a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.blocks = nn.ModuleList([nn.Linear(3, 5), nn.Linear(5, 3)])
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.register_buffer("scale", torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x).tanh()
        return x * self.frozen * self.scale.sum()


def make(strategy: str, seed: int) -> TrainingState:
    torch.manual_seed(seed)
    network = Network()
    wrapped = wrap(network, WorkersConfig(strategy=strategy), CPU)
    optimiser = torch.optim.Adam([weight for weight in network.parameters() if weight.requires_grad], lr=0.1)
    trained = Trained(network, wrapped, optimiser, Ema(network, EmaConfig(decay=0.5)))
    return TrainingState({"net": trained}, StepGuard(3), LossScale(is_needed=False), lambda step: 0.1)


def steps(state: TrainingState, count: int, start: int) -> None:
    """The same data on every worker, whose mean is then that of one."""
    trained = state.trained["net"]
    for number in range(start, start + count):
        data = torch.randn(4, 3, generator=torch.Generator().manual_seed(number))
        trained.wrapped(data).square().mean().backward()
        trained.optimiser.step()
        trained.optimiser.zero_grad()
        trained.average.update(trained.network)


def looks(state: TrainingState) -> list[Tensor]:
    """What the network says with its averaged weights, and then with its own, as a distillation asks it."""
    each, data = state.trained["net"], torch.ones(1, 3)
    with torch.no_grad(), each.weights_to_use():
        averaged = each.network(data)
    own = each.wrapped(data)
    own.sum().backward()
    each.optimiser.zero_grad()
    return [averaged.clone(), own.detach().clone()]


def work(rank: int, folder: str) -> None:
    """Train as one of two workers, save, and continue with other networks from what the first one saved."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=WORKERS)
    try:
        for strategy in STRATEGIES:
            begun = make(strategy, seed=0)
            steps(begun, 3, start=0)
            saved = begun.tensors()
            steps(begun, 2, start=3)
            expected = begun.tensors()
            others = make(strategy, seed=1 + rank)
            about = from_first(announced(saved))
            others.restore(saved if rank == 0 else about, begun.judgement())
            steps(others, 2, start=3)
            torch.save(looks(others), f"{folder}/looks-{strategy}-{rank}.pt")
            torch.save((saved, expected, others.tensors()), f"{folder}/{strategy}-{rank}.pt")
        distributed.barrier()  # gloo aborts a process whose peer leaves in the middle of a goodbye
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("parallel")
    run_workers(__file__, folder, WORKERS)
    return folder


def alone() -> dict[str, dict[str, Tensor]]:
    state = make("ddp", seed=0)
    steps(state, 5, start=0)
    return state.tensors()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_workers_go_on_to_the_bit_from_what_the_first_one_read(folder, strategy):
    _, expected, found = torch.load(folder / f"{strategy}-0.pt")
    assert expected.keys() == {"net", "net_optimiser", "net_average"}
    for file, tensors in expected.items():
        assert found[file].keys() == tensors.keys()
        assert all(torch.equal(found[file][name], value) for name, value in tensors.items()), file
    torch.testing.assert_close(expected, alone())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_averaged_weights_are_used_only_where_they_are_asked_for(folder, strategy):
    state = make("ddp", seed=0)
    steps(state, 5, start=0)
    expected = looks(state)
    assert not torch.allclose(*expected, atol=1e-3)
    for rank in range(WORKERS):
        torch.testing.assert_close(torch.load(folder / f"looks-{strategy}-{rank}.pt"), expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_worker_but_the_first_holds_a_checkpoint(folder, strategy):
    saved, _, _ = torch.load(folder / f"{strategy}-1.pt")
    assert not any(saved.values())


def test_what_is_announced_has_no_content():
    (value,) = announced({"file": {"weight": torch.ones(3, 2)}})["file"].values()
    assert (value.device.type, value.shape, value.dtype) == ("meta", (3, 2), torch.float32)


def test_a_checkpoint_of_another_network_is_refused():
    state, other = make("ddp", seed=0), make("ddp", seed=0)
    tensors = state.tensors()
    del tensors["net"]["blocks.0.weight"]
    with pytest.raises(ValueError, match=r"net \(.*\(1, blocks\.0\.weight"):
        other.restore(tensors, state.judgement())


def test_what_is_saved_does_not_change_with_later_steps():
    """Checkpoints are written while training continues."""
    state = make("ddp", seed=0)
    state.guard.accepts([torch.ones(())], {"net": torch.ones(())})
    saved = state.judgement()
    before = deepcopy(saved)
    state.guard.accepts([torch.ones(())], {"net": torch.ones(()), "discriminator": torch.ones(())})
    assert saved == before
    assert state.judgement() != before


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])
