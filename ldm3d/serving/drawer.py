"""Draws requests step by step. Only the engine's thread uses it."""

import logging
import time
from collections.abc import Callable, Collection, Iterable

from ldm3d.config import EngineConfig
from ldm3d.sampling.decode import decode_latents
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.samples import NotFiniteError, Sample, require_finite
from ldm3d.serving.events import Cancelled, Done, Event, Failed, Step
from ldm3d.serving.preview import PreviewMap
from ldm3d.serving.rows import answers
from ldm3d.serving.slot import Slot
from ldm3d.serving.speed import Speed, wait_for_device
from ldm3d.serving.turns import Turns

logger = logging.getLogger(__name__)


class Drawer:
    """The requests that are being drawn, and the model."""

    def __init__(
        self,
        model: RgbdPipeline,
        config: EngineConfig,
        speed: Speed,
        preview: PreviewMap,
        told: Callable[[Slot, Event], None],
    ) -> None:
        """Draw with a model.

        Args:
            told: called with each event of a request.
        """
        self.model, self.config, self.speed, self.preview, self.told = model, config, speed, preview, told
        self.turns = Turns(config.rows)

    def add(self, slot: Slot) -> None:
        """Let a request take part from the next step on."""
        self.turns.add(slot)

    def drop(self, identities: Collection[str]) -> None:
        """Let cancelled requests go."""
        gone = [slot for slot in self.turns.slots() if slot.identity in identities]
        self.turns.remove(gone)
        for slot in gone:
            self.told(slot, Cancelled(slot.identity))

    def step(self) -> list[Slot]:
        """Call the U-Net once, for the requests whose turn it is. Returns them; those that are drawn have ended."""
        slots = self.turns.take()
        if slots:
            try:
                self._call(slots)
            except Exception as error:
                logger.exception("a call of the U-Net for %d requests failed", len(slots))
                self._fail(slots, error)
                return slots
        for slot in slots:
            try:
                self._after_step(slot)
            except Exception as error:
                if not isinstance(error, NotFiniteError):
                    logger.exception("what a step has led to was not decoded")
                self._fail([slot], error)
        return slots

    def seconds_left(self) -> float:
        """Return how long all requests take."""
        return self.speed.left(self.turns.slots(), self.config.rows)

    def _call(self, slots: list[Slot]) -> None:
        height, width, panorama, exact = slots[0].kind
        taken = sum(slot.rows for slot in slots)
        rows = self.config.rows if exact else min(self.config.rows, 1 << (taken - 1).bit_length())
        for slot in slots:
            slot.joins(rows)
        began = time.monotonic()
        found = answers(self.model.unet, [slot.denoising.question() for slot in slots], rows, panorama=panorama)
        for slot, answer in zip(slots, found, strict=True):
            slot.denoising.answer(answer)
        wait_for_device()
        self.speed.saw(rows * height * width, time.monotonic() - began)

    def _after_step(self, slot: Slot) -> None:
        denoising = slot.denoising
        step, steps = denoising.taken, denoising.taken + denoising.left
        shows = slot.request.shows_after(step, steps)
        self.told(slot, Step(slot.identity, step, steps, self.preview(denoising.clean) if shows else None))
        if not denoising.left:
            self._finish(slot)

    def _finish(self, slot: Slot) -> None:
        """Decode a picture.

        Raises:
            NotFiniteError: it is void.
        """
        sample = self._decoded(slot)
        require_finite([sample])
        self.turns.remove([slot])
        self.told(slot, Done(slot.identity, sample, slot.facts()))

    def _decoded(self, slot: Slot) -> Sample:
        """Decode one picture, by itself: its bytes depend on the shape of the batch."""
        request = slot.request
        decoded = decode_latents(self.model.vae, slot.denoising.latents, panorama=request.panorama)
        depth = None if decoded.depth is None else decoded.depth[0]
        return Sample(request.prompt, request.seed, decoded.image[0], depth, bool(decoded.is_finite[0]))

    def _fail(self, slots: Iterable[Slot], error: Exception) -> None:
        self.turns.remove(slots)
        for slot in slots:
            self.told(slot, Failed(slot.identity, error))
