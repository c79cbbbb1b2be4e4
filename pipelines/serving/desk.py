"""The desk knows every request: it hands them to the models, cancels them by their ids, and keeps how they ended.

There is one. A request that somebody waits for is cancelled when they leave; a job goes on.
"""

import asyncio
import contextvars
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ldm3d.config import ServeConfig
from pipelines.serving.messages import Finished, Message, Order, Result, Stepped, Stopped
from pipelines.serving.metrics import DeskMetrics
from pipelines.serving.problem import MANY, Problem, busy, cancelled, unknown
from pipelines.serving.results import Results
from pipelines.serving.running import Running

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from pipelines.serving.messages import About

logger = logging.getLogger("ray.serve")

TRIES = 2  # a copy that is lost loses nothing else: the same seed gives the same picture
AGAIN_S = 5.0


@dataclass(frozen=True)
class Status:
    """Where a request is."""

    identity: str
    status: str
    """waiting, drawing, done, failed or cancelled."""
    last: Stepped | None = None
    ending: Result | Problem | None = None


class Desk:
    """A deployment of Ray Serve, of one replica."""

    def __init__(self, config: ServeConfig, models: Mapping[str, "DeploymentHandle"]) -> None:
        self.limits = config.limits
        self.models = {name: handle.options(stream=True) for name, handle in models.items()}
        self.plain = dict(models)
        self.running: dict[str, Running] = {}
        self.clients: Counter[str] = Counter()
        self.results = Results(self.limits.result_bytes, self.limits.result_s)
        self.metrics = DeskMetrics()
        self.known: dict[str, About] = {}
        self.is_closed = False

    async def about(self) -> "dict[str, About]":
        """Return what is known of each model."""
        for name, handle in self.plain.items():
            if name not in self.known:
                self.known[name] = await handle.about.remote()
        return self.known

    async def draw(self, order: Order) -> AsyncIterator[Message]:
        """Yield the messages of a request. Whoever leaves the iteration cancels it."""
        running = self._begin(order)
        if isinstance(running, Stopped):
            yield running
            return
        try:
            async for message in running.messages():
                yield message
        finally:
            running.cancel()

    async def submit(self, order: Order) -> Message:
        """Begin a job, which goes on without anybody, and return the first message of it."""
        running = self._begin(order)
        if isinstance(running, Stopped):
            return running
        async for message in running.messages():
            return message
        raise AssertionError("a request ended without a message")

    async def messages(self, identity: str) -> AsyncIterator[Message]:
        """Yield the messages of a request that was begun elsewhere; of one that has ended the last."""
        if running := self.running.get(identity):
            async for message in running.messages():
                yield message
            return
        ending = self.results.get(identity)
        yield Finished(ending) if isinstance(ending, Result) else Stopped(ending or unknown(identity))

    async def status(self, identity: str) -> Status | None:
        """Return where a request is; None if nothing is known of it (any more)."""
        if running := self.running.get(identity):
            return Status(identity, "drawing" if running.log else "waiting", running.last_step)
        match self.results.get(identity):
            case Result() as result:
                return Status(identity, "done", None, result)
            case Problem() as problem:
                ending = "cancelled" if problem.code == cancelled().code else "failed"
                return Status(identity, ending, None, problem)
        return None

    async def cancel(self, identity: str) -> bool:
        """Cancel a request between two steps. Returns whether it had not ended."""
        running = self.running.get(identity)
        return running is not None and running.cancel()

    async def finish(self, wait_s: float) -> int:
        """Take no new requests, and wait for those that are there. Returns how many were left."""
        self.is_closed = True
        until = time.monotonic() + wait_s
        while self.running and time.monotonic() < until:
            await asyncio.sleep(0.05)
        return len(self.running)

    def _begin(self, order: Order) -> Running | Stopped:
        if self.is_closed:
            return Stopped(busy("the service stops: try again in a while", 10.0))
        if self.clients[order.client] >= self.limits.client_requests:
            most = self.limits.client_requests
            message = f"{most} requests of yours are drawn or wait, which is as many as may: wait for one to end"
            return Stopped(Problem(MANY, message, "too_many_requests", None, AGAIN_S))
        running = self.running[order.identity] = Running(order)
        self.clients[order.client] += 1
        # Not in the context of the call that asks, which Ray Serve would cancel with it.
        task = asyncio.create_task(self._drawn(running), context=contextvars.Context())
        task.add_done_callback(lambda done: self._after(running, done))
        running.task = task
        self.metrics.note(len(self.running), self.results.bytes)
        return running

    async def _drawn(self, running: Running) -> None:
        """Have a request drawn, by another copy if one is lost."""
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

        order = running.order
        for left in reversed(range(TRIES)):
            stream: Any = self.models[order.model].draw.remote(order)
            try:
                async for message in stream:
                    self._tell(running, message)
                return
            except asyncio.CancelledError:
                stream.cancel()
                raise
            except BackPressureError:
                self._tell(running, Stopped(busy("too many requests wait for this model: try again", AGAIN_S)))
                return
            except (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError):
                logger.warning("a copy of %s was lost with request %s", order.model, order.identity)
                if not left:
                    lost = "the copy of the model that drew it was lost: try again"
                    self._tell(running, Stopped(busy(lost, AGAIN_S)))

    def _after(self, running: Running, task: "asyncio.Task[None]") -> None:
        """End a request whose task is over."""
        if task.cancelled():
            self._tell(running, Stopped(cancelled()))
            return
        if error := task.exception():
            logger.error("request %s was lost", running.order.identity, exc_info=error)
        self._tell(running, Stopped(busy("a part of the service was lost: try again", AGAIN_S)))

    def _tell(self, running: Running, message: Message) -> None:
        """Tell a message, if the request has not ended. The last one is kept before anybody has it."""
        if running.has_ended:
            return
        running.tell(message)
        if isinstance(message, Finished | Stopped):
            self._end(running, message)

    def _end(self, running: Running, last: Finished | Stopped) -> None:
        order = running.order
        del self.running[order.identity]
        self.clients -= Counter([order.client])
        ending = last.result if isinstance(last, Finished) else last.problem
        self.results.put(order.identity, ending)
        word, seconds = "drawn" if isinstance(ending, Result) else ending.code, time.monotonic() - running.began
        self.metrics.end(order.model, word, seconds)
        self.metrics.note(len(self.running), self.results.bytes)
        facts = {"identity": order.identity, "model": order.model, "ending": word, "seconds": round(seconds, 3)}
        logger.info("request %s ended: %s", order.identity, word, extra=facts)
