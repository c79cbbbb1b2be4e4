"""The desk: losses are made good once, cancels reach the model, nobody gets more than their share."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError

from ldm3d.config import LimitsConfig, ServeConfig
from ldm3d.serving.request import DrawRequest
from pipelines.serving import desk as module
from pipelines.serving.desk import Desk
from pipelines.serving.messages import Begun, Finished, Message, Order, Result, Stepped, Stopped

LAST = Stepped(1, 2)


class Metrics:
    def note(self, *_: object) -> None: ...

    def end(self, *_: object) -> None: ...


class Call:
    """A call that streams messages. An exception is raised, a number waits so many seconds, None waits for ever."""

    def __init__(self, said: list[Any]) -> None:
        self.said, self.is_cancelled = iter(said), False

    def __aiter__(self) -> "Call":
        return self

    async def __anext__(self) -> Message:
        said = next(self.said, StopAsyncIteration())
        if isinstance(said, BaseException):
            raise said
        if said is None or isinstance(said, float):
            await asyncio.sleep(60 if said is None else said)
            return await anext(self)
        return said

    def cancel(self) -> None:
        self.is_cancelled = True


class Handle:
    """A model whose calls say what they are told to, one after another."""

    def __init__(self, *calls: list[Any]) -> None:
        self.waiting, self.calls = list(calls), []

    def options(self, **_: object) -> "Handle":
        return self

    @property
    def draw(self) -> "Handle":
        return self

    def remote(self, order: Order) -> Call:
        self.calls.append(Call(self.waiting.pop(0)))
        return self.calls[-1]


def order(name: str = "1", client: str = "me") -> Order:
    return Order(name, "toy", DrawRequest(prompt="a", seed=1), client)


def finished(name: str = "1") -> Finished:
    facts = {"seed": 1}
    return Finished(Result(name, "toy", "a", panorama=False, width=1, height=1, image=b"x", depth=None, facts=facts))


async def read(desk: Desk, asked: Order) -> list[Message]:
    return [message async for message in desk.draw(asked)]


@pytest.fixture
def at_desk(monkeypatch) -> Callable[..., Any]:
    """Runs a coroutine function with a desk and the handle of its model."""
    monkeypatch.setattr(module, "DeskMetrics", Metrics)

    def run(act: Callable[..., Any], *calls: list[Any], **limits: int) -> Any:
        async def begin() -> Any:
            handle = Handle(*calls)
            return await act(Desk(ServeConfig(limits=LimitsConfig(**limits)), {"toy": handle}), handle)

        return asyncio.run(begin())

    return run


def test_a_request_ends_with_its_picture_which_is_kept(at_desk):
    async def act(desk, handle):
        told = await read(desk, order())
        return told, (await desk.status("1")).status, [message async for message in desk.messages("1")], desk.running

    told, status, later, running = at_desk(act, [Begun(1), LAST, finished()])
    assert told == [Begun(1), LAST, finished()]
    assert (status, later, running) == ("done", [finished()], {})


def test_a_copy_that_is_lost_is_made_good_once(at_desk):
    async def act(desk, handle):
        return await read(desk, order())

    lost = [Begun(1), LAST, ActorDiedError()]
    assert at_desk(act, lost, [Begun(1), LAST, finished()]) == [Begun(1), LAST, LAST, finished()]
    *_, last = at_desk(act, lost, lost)
    assert (last.problem.status, last.problem.code) == (503, "busy")
    assert last.problem.retry_after_s > 0


@pytest.mark.parametrize("error", [BackPressureError(1, 1), RuntimeError("a bug"), None])
def test_whatever_goes_wrong_a_request_ends(at_desk, error):
    async def act(desk, handle):
        return await read(desk, order()), desk.running

    said = [] if error is None else [error]
    (told,), running = at_desk(act, said)
    assert (told.problem.status, running) == (503, {})


@pytest.mark.parametrize("how", ["cancel", "leave"])
def test_a_request_that_is_cancelled_or_left_is_cancelled_at_the_model(at_desk, how):
    async def act(desk, handle):
        messages = desk.draw(order())
        assert await anext(messages) == Begun(1)
        if how == "cancel":
            assert await desk.cancel("1")
            told = [message async for message in messages]
            assert [message.problem.code for message in told] == ["cancelled"]
        else:
            await messages.aclose()
            await asyncio.sleep(0.01)
        return handle.calls[0].is_cancelled, (await desk.status("1")).status, await desk.cancel("1"), desk.running

    assert at_desk(act, [Begun(1), None]) == (True, "cancelled", False, {})


def test_one_that_is_cancelled_before_it_is_handed_on_ends_too(at_desk):
    async def act(desk, handle):
        reading = asyncio.ensure_future(read(desk, order()))
        await asyncio.sleep(0)
        assert await desk.cancel("1")
        return await reading, desk.running

    (told,), running = at_desk(act, [Begun(1), None])
    assert (told.problem.code, running) == ("cancelled", {})


def test_a_job_goes_on_and_its_events_are_told_from_the_first(at_desk):
    async def act(desk, handle):
        assert await desk.submit(order()) == Begun(1)
        return [message async for message in desk.messages("1")]

    assert at_desk(act, [Begun(1), 0.01, LAST, finished()]) == [Begun(1), LAST, finished()]


def test_a_client_gets_its_share_and_others_theirs(at_desk):
    async def act(desk, handle):
        await desk.submit(order("1"))
        refused = await desk.submit(order("2"))
        other = await desk.submit(order("3", "somebody else"))
        await desk.cancel("1")
        await asyncio.sleep(0.01)
        return refused, other, await desk.submit(order("4"))

    waits = [Begun(1), None]
    refused, *taken = at_desk(act, waits, waits, waits, client_requests=1)
    assert (refused.problem.status, refused.problem.retry_after_s > 0) == (429, True)
    assert taken == [Begun(1), Begun(1)]


def test_a_desk_that_closes_waits_for_what_it_took_and_takes_no_more(at_desk):
    async def act(desk, handle):
        await desk.submit(order("1"))
        closing = asyncio.ensure_future(desk.finish(0.2))
        await asyncio.sleep(0)
        return await desk.submit(order("2")), await closing

    refused, left = at_desk(act, [Begun(1), None])
    assert isinstance(refused, Stopped)
    assert (refused.problem.status, left) == (503, 1)


def test_nothing_is_known_of_others(at_desk):
    async def act(desk, handle):
        (told,) = [message async for message in desk.messages("nothing")]
        return told.problem.status, await desk.status("nothing"), await desk.cancel("nothing")

    assert at_desk(act) == (404, None, False)
