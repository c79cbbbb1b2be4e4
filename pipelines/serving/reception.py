"""Desk and studio as the door sees them: losses of Ray become problems that a client can read."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from pipelines.serving.messages import Finished, Message, Order, Result, Stopped
from pipelines.serving.problem import Problem, ProblemError, busy, unknown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ray.serve.handle import DeploymentHandle

    from pipelines.serving.desk import Status
    from pipelines.serving.messages import About

T = TypeVar("T")

AGAIN_S = 5.0


class Reception:
    """Calls of both."""

    def __init__(self, desk: "DeploymentHandle", studio: "DeploymentHandle") -> None:
        self.desk, self.streaming, self.studio = desk, desk.options(stream=True), studio
        self.known: dict[str, About] = {}

    async def about(self) -> "dict[str, About]":
        """Return what is known of each model."""
        self.known = self.known or await _answered(self.desk.about.remote())
        return self.known

    def draw(self, order: Order) -> "AsyncGenerator[Message, None]":
        """Yield the messages of a request, which is cancelled when the iteration is closed."""
        return _told(self.streaming.draw.remote(order))

    async def submit(self, order: Order) -> Message:
        """Begin a job, and return its first message."""
        return await _answered(self.desk.submit.remote(order))

    def messages(self, identity: str) -> "AsyncGenerator[Message, None]":
        """Yield the messages of a request that was begun elsewhere."""
        return _told(self.streaming.messages.remote(identity))

    async def status(self, identity: str) -> "Status":
        """Return where a request is.

        Raises:
            ProblemError: nothing is known of it.
        """
        status: Status | None = await _answered(self.desk.status.remote(identity))
        if status is None:
            raise ProblemError(unknown(identity))
        return status

    async def cancel(self, identity: str) -> bool:
        """Cancel a request between two steps. Returns whether it had not ended."""
        return await _answered(self.desk.cancel.remote(identity))

    async def result(self, identity: str) -> Result:
        """Return what was drawn.

        Raises:
            ProblemError: it is not there, or not yet.
        """
        status = await self.status(identity)
        if isinstance(status.ending, Problem):
            raise ProblemError(status.ending)
        if status.ending is None:
            message = "it is not drawn yet: follow its events, or ask again"
            raise ProblemError(Problem(409, message, "not_done", "id", 1.0))
        return status.ending

    async def make(self, result: Result, name: str) -> bytes:
        """Have a file made of a result: one of `pipelines.serving.exports.MEDIA`."""
        return await _answered(self.studio.make.remote(result, name))


async def drawn(messages: "AsyncGenerator[Message, None]") -> Result:
    """Wait for the picture.

    Raises:
        ProblemError: there is none.
    """
    async with aclosing(messages):
        async for message in messages:
            if isinstance(message, Stopped):
                raise ProblemError(message.problem)
            if isinstance(message, Finished):
                return message.result
    raise ProblemError(_lost())


async def _told(stream: Any) -> "AsyncGenerator[Message, None]":
    """Pass on the messages of a call; it is cancelled when this is closed before its end."""
    ended = False
    try:
        async for message in _surely(stream):
            ended = isinstance(message, Finished | Stopped)
            yield message
    finally:
        if not ended:
            stream.cancel()


async def _surely(stream: AsyncIterator[Message]) -> AsyncIterator[Message]:
    """Turn losses into messages that say so."""
    try:
        async for message in stream:
            yield message
    except _losses():
        yield Stopped(_lost())


async def _answered(call: Awaitable[T]) -> T:
    try:
        return await call
    except _losses() as error:
        raise ProblemError(_lost()) from error


def _losses() -> tuple[type[Exception], ...]:
    from ray.exceptions import RayActorError
    from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

    return RayActorError, BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError


def _lost() -> Problem:
    return busy("a part of the service was lost, or has too much to do: try again", AGAIN_S)
