"""A request that is being drawn."""

import time
from collections.abc import Callable
from typing import Any

import torch

from ldm3d.sampling.denoising import Denoising
from ldm3d.sampling.noise import initial_noise, seeded_generators
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.serving.events import Event
from ldm3d.serving.request import DrawRequest
from ldm3d.serving.suitable import latents_of, scheduler_for

Tell = Callable[[Event], None]


class Slot:
    """One request with its latents and its own scheduler. Only the engine's thread uses it."""

    def __init__(self, identity: str, request: DrawRequest, tell: Tell, asked_at: float, denoising: Denoising) -> None:
        self.identity, self.request, self.tell, self.asked_at = identity, request, tell, asked_at
        self.denoising = denoising
        self.begun_at: float | None = None
        self.sizes: set[int] = set()
        """Rows of the U-Net's calls that it took part in."""
        self.served = 0.0
        """Steps that it has had, counted from those of the others when it came: see `ldm3d.serving.turns`."""

    @property
    def rows(self) -> int:
        """Rows of a call that it takes."""
        return 2 if self.denoising.guides else 1

    @property
    def kind(self) -> tuple[int, int, bool, bool]:
        """What goes into one call: latents of one size, all or none of panoramas, all or none exact."""
        height, width = self.denoising.latents.shape[-2:]
        return height, width, self.request.panorama, self.request.exact

    def joins(self, rows: int) -> None:
        """Note that it takes part in a call of so many rows."""
        self.begun_at = self.begun_at or time.monotonic()
        self.sizes.add(rows)

    def facts(self) -> dict[str, Any]:
        """Return how it was drawn; see `ldm3d.serving.events.Done`."""
        begun = self.begun_at or self.asked_at
        return {
            "seed": self.request.seed,
            "steps": self.request.num_inference_steps,
            "exact": self.request.exact,
            "rows": next(iter(self.sizes)) if len(self.sizes) == 1 else 0,
            "waited_s": begun - self.asked_at,
            "seconds": time.monotonic() - self.asked_at,
        }


@torch.no_grad()
def denoising_of(request: DrawRequest, model: RgbdPipeline) -> Denoising:
    """Stand before the first step of a request.

    Raises:
        ValueError: it does not suit the model.
    """
    generators = seeded_generators([request.seed])
    noise = initial_noise(generators, latents_of(request, model), model.unet.device)
    text, empty_text = model.embeddings([request.prompt]), model.embeddings([request.negative_prompt])
    scheduler = scheduler_for(request, model)
    return Denoising(model.unet, scheduler, noise, text, empty_text, request.drawing(), generators=generators)
