"""Whoever asks about a request is told all of it, whenever they come."""

import asyncio

from ldm3d.serving.request import DrawRequest
from pipelines.serving.messages import Begun, Order, Stepped, Stopped
from pipelines.serving.problem import cancelled
from pipelines.serving.running import Running


def order() -> Order:
    return Order("id", "toy", DrawRequest(prompt="a", seed=1))


def test_early_and_late_readers_are_told_the_same():
    async def tell():
        running = Running(order())

        async def read():
            return [message async for message in running.messages()]

        early = asyncio.ensure_future(read())
        for message in (Begun(1), Stepped(1, 2), Stepped(2, 2), Stopped(cancelled())):
            running.tell(message)
            await asyncio.sleep(0)
        return await early, await read()

    early, late = asyncio.run(tell())
    assert early == late == [Begun(1), Stepped(1, 2), Stepped(2, 2), Stopped(cancelled())]


def test_nothing_comes_after_the_end_and_it_begins_once():
    async def tell():
        running = Running(order())
        for message in (Begun(1), Stepped(1, 2), Begun(1), Stopped(cancelled()), Stepped(2, 2)):
            running.tell(message)
        return running

    running = asyncio.run(tell())
    assert running.log == [Begun(1), Stepped(1, 2), Stopped(cancelled())]
    assert running.has_ended
    assert running.last_step == Stepped(1, 2)
    assert not running.cancel()
