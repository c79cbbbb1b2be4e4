"""How fast a model is, and how long the work ahead of a new request takes."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median

import torch

from ldm3d.config import EngineConfig
from ldm3d.sampling.denoising import Denoising
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.serving.request import DrawRequest
from ldm3d.serving.rows import answers
from ldm3d.serving.slot import Slot, denoising_of

logger = logging.getLogger(__name__)

REPEATS = 3
FORGETS = 0.1  # share of the newest measurement in what is known
PAYS = 1.1  # times as many rows in a second, or batching does not pay


class Speed:
    """Seconds of a call of the U-Net, by its number of latents: measured at the start, and kept up to date."""

    def __init__(self, seconds: float, latents: int) -> None:
        """Know the seconds of one call, of so many rows times latents."""
        self._known = {latents: seconds}

    @classmethod
    def measured(cls, model: RgbdPipeline, config: EngineConfig) -> "Speed":
        """Measure calls of one request and of a full call, at the model's own size, and log what batching gains."""
        denoising = denoising_of(DrawRequest(prompt="", seed=0), model)
        latents = denoising.latents[0, 0].numel()
        sizes = sorted({2, config.rows})
        seconds = {rows: _seconds(lambda rows=rows: _call(model, denoising, rows)) for rows in sizes}  # type: ignore[misc]
        gain = (config.rows / seconds[config.rows]) / (2 / seconds[2])
        logger.info("a call of the U-Net takes %.3f s for 2 rows, %.3f s for %d: %.2f times as many rows in a second",
                    seconds[2], seconds[config.rows], config.rows, gain)  # fmt: skip
        if config.rows > 2 and gain < PAYS:
            logger.warning("batching does not pay on this device at this size: give --engine.rows 2")
        return cls(seconds[config.rows], config.rows * latents)

    def saw(self, latents: int, seconds: float) -> None:
        """Learn from a call."""
        known = self._known.get(latents, seconds)
        self._known[latents] = (1 - FORGETS) * known + FORGETS * seconds

    def of(self, latents: int) -> float:
        """Return the seconds of a call; in proportion to the nearest one that was seen, if there was none."""
        if latents in self._known:
            return self._known[latents]
        nearest = min(list(self._known), key=lambda seen: abs(seen - latents))
        return self._known[nearest] * latents / nearest

    def left(self, slots: Iterable[Slot], rows: int) -> float:
        """Return the seconds that it takes to draw all of some requests, which share calls of `rows` rows."""
        return sum(
            self.of(rows * slot.kind[0] * slot.kind[1]) * slot.denoising.left * slot.rows / rows for slot in slots
        )


def wait_for_device() -> None:
    """Wait until the GPU, if there is one, has done what it was given: until then, no time says anything."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _call(model: RgbdPipeline, denoising: Denoising, rows: int) -> Sequence[torch.Tensor]:
    return answers(model.unet, [denoising.question()], rows)


def _seconds(work: Callable[[], object]) -> float:
    """Return the median of some repeats, after one that warms up."""
    taken = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        work()
        wait_for_device()
        taken.append(time.perf_counter() - began)
    return median(taken[1:])
