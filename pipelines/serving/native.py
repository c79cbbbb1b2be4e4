"""`POST /v1/rgbd`: a picture with depth, as JSON, as a zip of files, or as events while it is drawn."""

import base64
import io
import json
import uuid
import zipfile
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ldm3d.config import ServeConfig
from pipelines.serving import sse
from pipelines.serving.addresses import Addresses
from pipelines.serving.bodies import RgbdBody
from pipelines.serving.errors import RESPONSES
from pipelines.serving.limits import model_of, request_of
from pipelines.serving.messages import Begun, Finished, Message, Order, Result, Stepped, Stopped
from pipelines.serving.problem import ProblemError
from pipelines.serving.reception import Reception, drawn

JSON, ZIP = "application/json", "application/zip"
ANSWERS: dict[int | str, dict[str, Any]] = RESPONSES | {
    200: {
        "description": "The picture: as `Accept` says, a description with URLs, a zip, or server-sent events "
        "(`accepted`, `step`, then `done` or `error`).",
        "content": {JSON: {}, ZIP: {}, sse.MEDIA: {}},
    },
    202: {"description": "With `Prefer: respond-async`: a job, with the URLs of its status, events and result."},
}


def routes(config: ServeConfig, reception: Reception) -> APIRouter:
    """Return the endpoint."""
    router = APIRouter()
    models = tuple(name for name, _ in config.model.named())

    @router.post("/v1/rgbd", responses=ANSWERS, summary="Draw a picture with depth")
    async def rgbd(body: RgbdBody, request: Request) -> Response:
        media, is_job = wanted(request.headers.get("accept", "")), _is_job(request)
        model = model_of(body, models)
        about = (await reception.about())[model]
        previews = (body.previews or 0) if media == sse.MEDIA or is_job else 0
        asked = request_of(body, config, about, width=body.width, height=body.height, previews=previews)
        client = request.client.host if request.client else ""
        order = Order(uuid.uuid4().hex, model, asked, client, watched=media == sse.MEDIA or is_job)
        addresses = Addresses.of(request)
        if is_job:
            return _accepted(await reception.submit(order), order, addresses)
        messages = reception.draw(order)
        if media == sse.MEDIA:
            return await streamed(messages, order.identity, addresses)
        return answer(await drawn(messages), media, addresses)

    return router


def wanted(accept: str) -> str:
    """Return which of the three answers a client wants most: the first it names; JSON if it names none."""
    for part in accept.split(","):
        media = part.partition(";")[0].strip().lower()
        if media in (JSON, ZIP, sse.MEDIA):
            return media
    return JSON


def answer(result: Result, media: str, addresses: Addresses) -> Response:
    """Answer with a picture, as JSON or as a zip."""
    if media == ZIP:
        name = f'attachment; filename="{result.identity}.zip"'
        return Response(zipped(result, addresses), media_type=ZIP, headers={"Content-Disposition": name})
    return JSONResponse(described(result, addresses))


async def streamed(messages: AsyncGenerator[Message, None], identity: str, addresses: Addresses) -> Response:
    """Answer with events, once a model has taken the request.

    Raises:
        ProblemError: it was refused.
    """
    first = await anext(messages)
    if isinstance(first, Stopped):
        await messages.aclose()
        raise ProblemError(first.problem)
    return events_of(first, messages, identity, addresses)


def events_of(
    first: Message, messages: AsyncGenerator[Message, None], identity: str, addresses: Addresses
) -> Response:
    """Answer with the events of messages, of which the first one is there."""
    events = named(first, messages, identity, addresses)
    return StreamingResponse(sse.stream(events), media_type=sse.MEDIA, headers=sse.HEADERS)


async def named(
    first: Message, messages: AsyncGenerator[Message, None], identity: str, addresses: Addresses
) -> AsyncGenerator[sse.Named, None]:
    """Yield the events of messages."""
    try:
        yield _event(first, identity, addresses)
        async for message in messages:
            yield _event(message, identity, addresses)
    finally:
        await messages.aclose()


def described(result: Result, addresses: Addresses) -> dict[str, Any]:
    """Describe a picture, with where its files are."""
    facts = result.facts
    return {
        "id": result.identity,
        "model": result.model,
        "seed": facts["seed"],
        "width": result.width,
        "height": result.height,
        "steps": facts["steps"],
        "seconds": round(facts["seconds"], 3),
        "waited_s": round(facts["waited_s"], 3),
        "exact": facts["exact"],
        "rows": facts["rows"],
        "urls": addresses.result(result),
    }


def zipped(result: Result, addresses: Addresses) -> bytes:
    """Put a picture into a zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("image.png", result.image)
        if result.depth is not None:
            archive.writestr("depth.png", result.depth)
        archive.writestr("facts.json", json.dumps(described(result, addresses) | {"prompt": result.prompt}, indent=2))
    return file.getvalue()


def base64_of(content: bytes) -> str:
    """Write bytes as text."""
    return base64.b64encode(content).decode("ascii")


def _accepted(first: Message, order: Order, addresses: Addresses) -> Response:
    if isinstance(first, Stopped):
        raise ProblemError(first.problem)
    urls = addresses.job(order.identity)
    content = {"id": order.identity, "seed": order.request.seed, "urls": urls}
    headers = {"Location": urls["status"], "Preference-Applied": "respond-async"}
    return JSONResponse(content, 202, headers)


def _is_job(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return any(each.partition(";")[0].strip().lower() == "respond-async" for each in preferences)


def _event(message: Message, identity: str, addresses: Addresses) -> sse.Named:
    match message:
        case Begun():
            return "accepted", {"id": identity, "seed": message.seed}
        case Stepped():
            shown = {"image": message.image, "depth": message.depth}
            pictures = {name: base64_of(content) for name, content in shown.items() if content is not None}
            return "step", {"id": identity, "step": message.step, "steps": message.steps} | pictures
        case Finished():
            return "done", described(message.result, addresses)
        case Stopped():
            return "error", {"id": identity} | message.problem.body()
