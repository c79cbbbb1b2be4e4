"""A request that has not ended: what was told of it so far, for whoever asks, whenever they come."""

import asyncio
import time
from collections.abc import AsyncIterator

from pipelines.serving.messages import Begun, Finished, Message, Order, Stepped, Stopped


class Running:
    """The messages of one request. It belongs to one event loop."""

    def __init__(self, order: Order) -> None:
        self.order, self.began = order, time.monotonic()
        self.log: list[Message] = []
        self.task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be told."""
        return bool(self.log) and isinstance(self.log[-1], Finished | Stopped)

    @property
    def last_step(self) -> Stepped | None:
        """The last step that was told."""
        return next((each for each in reversed(self.log) if isinstance(each, Stepped)), None)

    def tell(self, message: Message) -> None:
        """Add a message, unless it has ended. One that begins again, after a copy was lost, begins only once."""
        again = isinstance(message, Begun) and any(isinstance(each, Begun) for each in self.log)
        if self.has_ended or again:
            return
        self.log.append(message)
        self._told.set()
        self._told = asyncio.Event()

    def cancel(self) -> bool:
        """Have it end. Returns whether it had not."""
        if self.has_ended or self.task is None:
            return False
        self.task.cancel()
        return True

    async def messages(self) -> AsyncIterator[Message]:
        """Yield all messages, those that were told before first, until the last one."""
        seen = 0
        while True:
            for message in self.log[seen:]:
                seen += 1
                yield message
            if seen == len(self.log):
                if self.has_ended:
                    return
                await self._told.wait()
