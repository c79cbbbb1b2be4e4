"""`POST /v1/images/generations` and `GET /v1/models`, as clients of the OpenAI API use them, with more fields."""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ldm3d.config import ServeConfig
from ldm3d.sampling.sampler import SCHEDULERS
from pipelines.serving import sse
from pipelines.serving.addresses import Addresses
from pipelines.serving.bodies import ImagesBody
from pipelines.serving.errors import RESPONSES
from pipelines.serving.limits import SEEDS, model_of, request_of
from pipelines.serving.messages import Begun, Finished, Message, Order, Result, Stepped, Stopped
from pipelines.serving.native import base64_of
from pipelines.serving.pictures import enlarged
from pipelines.serving.problem import ProblemError, bad
from pipelines.serving.reception import Reception, drawn

AUTO = "auto"


@dataclass(frozen=True)
class Wish:
    """What does not change between the pictures of a request."""

    size: tuple[int, int]
    """Width and height."""
    has_depth: bool
    base: str
    """What the URLs of answers begin with, before paths."""
    addresses: Addresses


def routes(config: ServeConfig, reception: Reception) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter()
    names = tuple(name for name, _ in config.model.named())

    @router.get("/v1/models", responses=RESPONSES, summary="The models of this service")
    async def models() -> JSONResponse:
        about = await reception.about()
        return JSONResponse({"object": "list", "data": [_model(name, about[name], config) for name in names]})

    @router.post("/v1/images/generations", responses=RESPONSES, summary="Draw pictures, as in the OpenAI Images API")
    async def generations(body: ImagesBody, request: Request) -> Response:
        model = model_of(body, names)
        about = (await reception.about())[model]
        width, height = size_of(body.size)
        count, streams = body.n or 1, bool(body.stream)
        if streams and count > 1:
            raise bad(f"n is {count} with stream, wanted 1: ask for each picture by itself", "n")
        if body.partial_images and not streams:
            raise bad("partial_images is for streams: send stream: true", "partial_images")
        asked = request_of(body, config, about, width=width, height=height, previews=body.partial_images or 0)
        client = request.client.host if request.client else ""
        size = (width or about.width, height or about.height)
        base = f"{request.url.scheme}://{request.url.netloc}"
        wish = Wish(size, body.depth != "none", base, Addresses.of(request))
        orders = [
            Order(uuid.uuid4().hex, model, replace(asked, seed=(asked.seed + number) % SEEDS), client, watched=streams)
            for number in range(count)
        ]
        if not streams:
            results = await all_drawn([reception.draw(order) for order in orders])
            return JSONResponse(answer(results, wish))
        messages = reception.draw(orders[0])
        first = await anext(messages)
        if isinstance(first, Stopped):
            await messages.aclose()
            raise ProblemError(first.problem)
        return StreamingResponse(sse.stream(_events(messages, wish)), media_type=sse.MEDIA, headers=sse.HEADERS)

    return router


def size_of(size: str | None) -> tuple[int | None, int | None]:
    """Return width and height in pixels; None is the model's own.

    Raises:
        ProblemError: it is not of the form WIDTHxHEIGHT.
    """
    if size is None or size == AUTO:
        return None, None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size, re.ASCII)
    if match is None:
        raise bad(f"size is {size!a}, wanted WIDTHxHEIGHT in pixels, such as 512x512, or auto", "size")
    return int(match[1]), int(match[2])


async def all_drawn(requests: list[AsyncGenerator[Message, None]]) -> list[Result]:
    """Wait for several pictures. If one cannot be drawn, or nobody waits any more, the others are cancelled.

    Raises:
        ProblemError: one cannot be drawn.
    """
    tasks = [asyncio.ensure_future(drawn(request)) for request in requests]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answer(results: list[Result], wish: Wish) -> dict[str, Any]:
    """Return the body of an answer."""
    common = {"created": int(time.time()), "output_format": "png", "background": "opaque", "size": _size(wish)}
    return common | {"data": [_item(result, wish) for result in results]}


def _item(result: Result, wish: Wish) -> dict[str, Any]:
    item: dict[str, Any] = {
        "b64_json": base64_of(result.image),
        "seed": result.facts["seed"],
        "id": result.identity,
    }
    if result.depth is not None:
        item["viewer_url"] = wish.base + wish.addresses.viewer(result.identity)
        if wish.has_depth:
            item["depth_b64_png16"] = base64_of(result.depth)
    return item


async def _events(messages: AsyncGenerator[Message, None], wish: Wish) -> AsyncGenerator[sse.Named, None]:
    """Yield the events of one picture, with the names and fields of the OpenAI API."""
    shown = 0
    common = {"output_format": "png", "background": "opaque", "quality": AUTO, "size": _size(wish)}
    try:
        async for message in messages:
            match message:
                case Stepped(image=bytes(preview)):
                    facts = {"b64_json": base64_of(enlarged(preview, *wish.size)), "partial_image_index": shown}
                    yield _event("partial_image", common | facts)
                    shown += 1
                case Finished():
                    yield _event("completed", common | _item(message.result, wish))
                case Stopped():
                    yield "error", message.problem.body()
                case Begun() | Stepped():
                    pass
    finally:
        await messages.aclose()


def _event(name: str, facts: dict[str, Any]) -> sse.Named:
    kind = f"image_generation.{name}"
    return kind, {"type": kind, "created_at": int(time.time())} | facts


def _size(wish: Wish) -> str:
    return f"{wish.size[0]}x{wish.size[1]}"


def _model(name: str, about: Any, config: ServeConfig) -> dict[str, Any]:
    defaults = config.defaults
    ours = {
        "width": about.width,
        "height": about.height,
        "has_depth": about.has_depth,
        "fingerprint": about.fingerprint,
        "schedulers": sorted(SCHEDULERS),
        "max_steps": config.limits.steps,
        "max_pixels": config.limits.pixels,
        "defaults": {"scheduler": defaults.scheduler, "steps": defaults.steps, "guidance": defaults.guidance},
    }
    return {"id": name, "object": "model", "created": about.created, "owned_by": "ldm3d-on-ray", "ldm3d": ours}
