"""Two workers with half a batch each are one worker with the whole: losses, gradients, adaptive weight, bad steps."""

import os
import sys
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from ldm3d.config import AutoencoderLossConfig, PerceptualConfig
from ldm3d.training.autoencoder_step import discriminator_loss, generator_loss
from ldm3d.training.discriminator import PatchDiscriminator
from ldm3d.training.guard import StepGuard
from ldm3d.training.ranks import alone, mean_over_ranks
from ldm3d.training.reconstructor import Reconstructor
from tests.builders.worker_processes import run_workers

torch.set_num_threads(1)

WORKERS = 2
CONFIG = AutoencoderLossConfig(
    perceptual=PerceptualConfig(rgb_weight=0, depth_weight=0), kl_weight=0.01, discriminator_start=0
)


class SmallAutoencoder(nn.Module):
    """The part of an AutoencoderKL that a Reconstructor needs, without the seconds that importing diffusers takes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 4, stride=2, padding=1))
        up = nn.ConvTranspose2d(4, 8, 4, stride=2, padding=1)
        self.decoder = nn.Sequential(OrderedDict(up=up, act=nn.SiLU(), conv_out=nn.Conv2d(8, 6, 3, padding=1)))

    def encode(self, pixels):
        mean, logvar = self.encoder(pixels).chunk(2, dim=1)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, logvar=logvar.clamp(-30, 20)))

    def decode(self, latents):
        return SimpleNamespace(sample=self.decoder(latents))


def step(wrap, reduce, rank: int = 0, workers: int = 1) -> dict[str, torch.Tensor]:
    """Take a step on this worker's part of four pictures; return its gradients by name, and mean losses."""
    torch.manual_seed(0)
    vae = SmallAutoencoder()
    discriminator = PatchDiscriminator(6, filters=4, layers=2, norm="group")
    generator = torch.Generator().manual_seed(1)
    size = torch.tensor([0.1, 0.2, 1.0, 0.9])[:, None, None, None]  # the workers' parts differ
    pixels = ((torch.rand(4, 6, 16, 16, generator=generator) * 2 - 1) * size).chunk(workers)[rank]
    noise = torch.randn(4, 4, 8, 8, generator=generator).chunk(workers)[rank]
    reconstructor, judge = wrap(Reconstructor(vae)), wrap(discriminator)
    reconstruction = reconstructor(pixels, noise)
    losses = generator_loss(reconstruction, pixels, None, discriminator, 0, CONFIG, reduce)
    losses.total.backward()
    judged = discriminator_loss(judge, pixels, reconstruction.pixels)
    judged.total.backward()
    seen = {f"vae.{name}": weight.grad for name, weight in vae.named_parameters()}
    seen |= {f"discriminator.{name}": weight.grad for name, weight in discriminator.named_parameters()}
    scalars = {"total": losses.total, "adversarial": losses.adversarial, "hinge": judged.total}
    seen |= {name: reduce(value.detach()) for name, value in scalars.items()}
    return seen | {"adaptive_weight": losses.adaptive_weight}


def shard(module: nn.Module) -> nn.Module:
    """Apply FSDP: every worker holds half of each weight."""
    if isinstance(module, Reconstructor):
        for part in (module.vae.encoder, module.vae.decoder):
            fully_shard(part)
    return fully_shard(module)


def whole(seen: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.full_tensor() if hasattr(value, "full_tensor") else value for name, value in seen.items()}


def work(rank: int, folder: str) -> None:
    """Run one of two workers, and save what it saw."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=WORKERS)
    try:
        seen = {
            "replicated": step(DistributedDataParallel, mean_over_ranks, rank, WORKERS),
            "sharded": whole(step(shard, mean_over_ranks, rank, WORKERS)),
            "each its own weight": step(DistributedDataParallel, alone, rank, WORKERS)["adaptive_weight"],
        }
        guard = StepGuard(max_skipped=3, reduce=mean_over_ranks)
        losses = [torch.tensor(float("nan") if rank == 1 else 1.0), torch.tensor(1.0)]
        seen["accepted"] = [guard.accepts([loss], {"vae": torch.tensor(1.0)}) for loss in losses]
        torch.save(seen, f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def workers(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    run_workers(__file__, folder, WORKERS)
    return [torch.load(f"{folder}/{rank}.pt") for rank in range(WORKERS)]


@pytest.mark.parametrize("strategy", ["replicated", "sharded"])
def test_two_workers_have_the_gradients_of_one(workers, strategy):
    alone_seen = step(nn.Identity(), alone)
    assert any(name.startswith("vae.encoder") for name in alone_seen)
    assert alone_seen["adaptive_weight"] > 0
    for worker in workers:
        torch.testing.assert_close(worker[strategy], alone_seen, rtol=1e-4, atol=1e-5)


def test_a_weight_of_each_workers_own_would_be_another(workers):
    """This is why gradients are averaged over workers."""
    own = [worker["each its own weight"] for worker in workers]
    exact = workers[0]["replicated"]["adaptive_weight"]
    assert min(abs(weight / exact - 1) for weight in own) > 0.01


def test_workers_skip_the_same_steps(workers):
    assert [worker["accepted"] for worker in workers] == [[False, True]] * WORKERS


def test_one_process_needs_no_group():
    tensor = torch.tensor([1.0, 2.0])
    assert mean_over_ranks(tensor) is tensor


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])
