"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

MEDIA = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PING = ": ping\n\n"
PING_S = 10.0  # intermediaries close a connection that is silent for 30 s or more

Named = tuple[str, dict[str, Any]]
"""The name of an event, and its data."""


def event(name: str, data: dict[str, Any]) -> str:
    """Write an event."""
    return f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n"


async def stream(events: AsyncIterator[Named], ping_s: float = PING_S) -> AsyncIterator[str]:
    """Write events as they come, and a comment while there are none. Whoever leaves it ends `events`."""
    waiting: asyncio.Future[Named] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([waiting], timeout=ping_s)
            if not done:
                yield PING
                continue
            try:
                name, data = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield event(name, data)
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await asyncio.wait([waiting])
        await events.aclose()  # type: ignore[attr-defined]  # it is a generator
