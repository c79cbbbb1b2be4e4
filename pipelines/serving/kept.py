"""Requests by their ids: jobs and streams that run, and the files of what was drawn."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from pipelines.serving import exports, native
from pipelines.serving.addresses import Addresses
from pipelines.serving.errors import RESPONSES
from pipelines.serving.messages import Result
from pipelines.serving.problem import Problem
from pipelines.serving.reception import Reception

Name = Literal["image.png", "depth.png", "depth.bin", "viewer.html", "scene.glb", "splats.ply"]

CACHED = {"Cache-Control": "private, max-age=3600, immutable"}  # a result never changes


def routes(reception: Reception) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter(responses=RESPONSES)

    @router.get("/v1/jobs/{identity}", summary="Where a request is")
    async def status(identity: str, request: Request) -> JSONResponse:
        found, addresses = await reception.status(identity), Addresses.of(request)
        answer: dict[str, Any] = {"id": found.identity, "status": found.status}
        if found.last is not None:
            answer |= {"step": found.last.step, "steps": found.last.steps}
        if isinstance(found.ending, Result):
            answer["result"] = native.described(found.ending, addresses)
        if isinstance(found.ending, Problem):
            answer |= found.ending.body()
        return JSONResponse(answer | {"urls": addresses.job(found.identity)})

    @router.get("/v1/jobs/{identity}/events", summary="The events of a request, from its first one")
    async def events(identity: str, request: Request) -> Response:
        await reception.status(identity)  # 404 before the stream begins
        messages = reception.messages(identity)
        first = await anext(messages)
        return native.events_of(first, messages, identity, Addresses.of(request))

    @router.get("/v1/jobs/{identity}/result", summary="What a request has drawn", responses=native.ANSWERS)
    async def result(identity: str, request: Request) -> Response:
        media = native.wanted(request.headers.get("accept", ""))
        return native.answer(await reception.result(identity), media, Addresses.of(request))

    @router.delete("/v1/jobs/{identity}", summary="Cancel a request between two steps")
    async def cancel(identity: str) -> JSONResponse:
        if await reception.cancel(identity):
            return JSONResponse({"id": identity, "status": "cancelled"})
        found = await reception.status(identity)  # it had ended, or was never there
        return JSONResponse({"id": identity, "status": found.status})

    @router.get("/v1/results/{identity}/{name}", summary="A file of what was drawn", response_class=Response)
    async def file(identity: str, name: Name, request: Request) -> Response:
        result = await reception.result(identity)
        takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
        made = await asyncio.to_thread(exports.kept, result, name, takes_gzip=takes_gzip)
        if made is None:
            exports.depth_of(result)
            made = exports.Made(await reception.make(result, name), exports.MEDIA[name])
        packed = {} if made.encoding is None else {"Content-Encoding": made.encoding}
        varies = {"Vary": "Accept-Encoding"} if name == "depth.bin" else {}
        return Response(made.content, media_type=made.media, headers=CACHED | packed | varies)

    return router
