"""How fast a model is, and how long the work ahead of a new request takes."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median

import torch

from ldm3d.config import EngineConfig
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.serving.request import DrawRequest
from ldm3d.serving.rows import answers
from ldm3d.serving.slot import Slot, denoising_of
from ldm3d.serving.suitable import latents_of

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
        request = DrawRequest(prompt="", seed=0)
        seconds = seconds_of_calls(model, request, sorted({2, config.rows}))
        _, height, width = latents_of(request, model)
        gain = (config.rows / seconds[config.rows]) / (2 / seconds[2])
        logger.info("a call of the U-Net takes %.3f s for 2 rows, %.3f s for %d: %.2f times as many rows in a second",
                    seconds[2], seconds[config.rows], config.rows, gain)  # fmt: skip
        if config.rows > 2 and gain < PAYS:
            logger.warning("batching does not pay on this device at this size: give --engine.rows 2")
        return cls(seconds[config.rows], config.rows * height * width)

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


def seconds_of_calls(model: RgbdPipeline, request: DrawRequest, sizes: Iterable[int]) -> dict[int, float]:
    """Measure calls of the U-Net for a request, by their number of rows."""
    question = denoising_of(request, model).question()
    return {rows: _seconds(partial(answers, model.unet, [question], rows)) for rows in sizes}


def _seconds(work: Callable[[], object]) -> float:
    """Return the median of some repeats, after one that warms up."""
    taken = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        work()
        wait_for_device()
        taken.append(time.perf_counter() - began)
    return median(taken[1:])
