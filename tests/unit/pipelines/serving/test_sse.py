"""Events as they come, pings while there are none, and an end that reaches the source."""

import asyncio

import pytest

from pipelines.serving import sse


def test_events_are_written_as_they_come_and_silence_is_filled():
    async def events():
        yield "a", {"n": 1}
        await asyncio.sleep(0.25)
        yield "b", {"text": "line\nbreak"}

    async def read():
        return [text async for text in sse.stream(events(), ping_s=0.1)]

    first, *pings, last = asyncio.run(read())
    assert first == 'event: a\ndata: {"n": 1}\n\n'
    assert set(pings) == {": ping\n\n"}
    assert last == 'event: b\ndata: {"text": "line\\nbreak"}\n\n'


@pytest.mark.parametrize("leave_by", ["close", "cancel"])
def test_whoever_leaves_ends_the_source(leave_by):
    ended = []

    async def events():
        try:
            yield "a", {}
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def leave():
        texts = sse.stream(events())
        await anext(texts)
        if leave_by == "close":
            await texts.aclose()
            return
        waiting = asyncio.ensure_future(anext(texts))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(leave())
    assert ended == [True]


def test_a_source_that_fails_is_told():
    async def events():
        yield "a", {}
        raise RuntimeError("lost")

    async def read():
        return [text async for text in sse.stream(events())]

    with pytest.raises(RuntimeError, match="lost"):
        asyncio.run(read())
