"""A copy of one model that draws: an engine in a thread of its own, behind a queue of events for each request."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from ldm3d.config import ServeConfig
from ldm3d.sampling.samples import NotFiniteError
from ldm3d.serving.engine import Engine
from ldm3d.serving.events import Cancelled, Done, Event, Failed, Step
from ldm3d.serving.load import BusyError
from pipelines.serving.bodies import refusal
from pipelines.serving.messages import About, Begun, Finished, Message, Order, Stopped
from pipelines.serving.metrics import EngineMetrics
from pipelines.serving.pictures import result_of, stepped_of
from pipelines.serving.problem import FAILED, VOID, Problem, busy, cancelled
from pipelines.storage.models import open_model


class Replica:
    """A deployment of Ray Serve."""

    def __init__(self, name: str, config: ServeConfig) -> None:
        """Load a model, measure its speed, and start drawing: seconds, or a minute for a large one.

        Args:
            name: of the models of `config`.

        Raises:
            ValueError: it cannot be read, or cannot draw.
        """
        import torch

        from ldm3d.models.precision import dtype_of
        from ldm3d.sampling.decode import pixel_factor
        from ldm3d.sampling.text_to_rgbd import latent_shape

        model = open_model(dict(config.model.named())[name], config.model.revision)
        fingerprint = model.fingerprint()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model.to(device, dtype_of(config.model.precision, device))
        vae: Any = model.vae
        _, height, width = latent_shape(model, None, None)
        factor, has_depth = pixel_factor(vae), vae.config.out_channels != 3
        self.known = About(width * factor, height * factor, has_depth, fingerprint, int(time.time()))
        self.provenance = config.provenance
        self.engine = Engine(model, config.engine)
        self.engine.start()
        self.metrics = EngineMetrics(name)

    async def about(self) -> About:
        """Return what is known of the model."""
        return self.known

    async def check_health(self) -> None:
        """Note what the engine does. Ray Serve calls it every few seconds, and replaces a copy whose call fails.

        Raises:
            RuntimeError: the engine draws nothing any more.
        """
        self.engine.require_alive()
        self.metrics.note(self.engine.load())

    async def draw(self, order: Order) -> AsyncIterator[Message]:
        """Draw a request. Whoever leaves the iteration cancels it."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def tell(event: Event) -> None:  # in the engine's thread
            loop.call_soon_threadsafe(events.put_nowait, event)

        try:
            identity = self.engine.submit(order.request, tell)
        except BusyError as error:
            yield Stopped(busy(str(error), error.retry_after_s))
            return
        except ValueError as error:
            yield Stopped(refusal(str(error)))
            return
        try:
            yield Begun(order.request.seed)
            while True:
                message = await self._message(order, await events.get())
                if message is not None:
                    yield message
                if isinstance(message, Finished | Stopped):
                    return
        finally:
            self.engine.cancel(identity)  # which does nothing where it has ended
            self.metrics.note(self.engine.load())

    async def _message(self, order: Order, event: Event) -> Message | None:
        """Return what is told of an event; None where nobody wants to know."""
        match event:
            case Step():
                return stepped_of(event) if order.watched else None
            case Done():
                return Finished(await asyncio.to_thread(result_of, order, event, provenance=self.provenance))
            case Cancelled():
                return Stopped(cancelled())
            case Failed():
                return Stopped(_failure(event.error))
        raise AssertionError(event)


def _failure(error: Any) -> Problem:
    if isinstance(error, NotFiniteError):
        return Problem(VOID, str(error), "not_finite")
    if type(error) is ValueError:
        return refusal(str(error))
    return Problem(FAILED, f"drawing failed ({type(error).__name__}): the log of the service says why", "failed")
