"""Problems as answers of FastAPI, whoever finds them."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from pipelines.serving.bodies import plain
from pipelines.serving.problem import BAD, FAILED, MISSING, Problem, ProblemError

logger = logging.getLogger("ray.serve")


class ErrorFacts(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The body of every answer that is no success, as in the OpenAI API."""

    error: ErrorFacts


RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "Something in the request has to be changed; the message says what."},
    401: {"model": ErrorBody, "description": "The token is missing or wrong."},
    404: {"model": ErrorBody, "description": "There is no such model, request or result (any more)."},
    409: {"model": ErrorBody, "description": "The request was cancelled, or is not drawn yet."},
    411: {"model": ErrorBody, "description": "The body has no Content-Length."},
    413: {"model": ErrorBody, "description": "The body is too large."},
    422: {"model": ErrorBody, "description": "The model gave no finite numbers for these settings."},
    429: {"model": ErrorBody, "description": "This client asks for too much at once; see `Retry-After`."},
    503: {"model": ErrorBody, "description": "There is too much to draw already; see `Retry-After`."},
}


def answer(problem: Problem) -> JSONResponse:
    """Answer with a problem."""
    return JSONResponse(problem.body(), problem.status, problem.headers())


def add_handlers(app: FastAPI) -> None:
    """Make every refusal of `app` one of these answers."""

    @app.exception_handler(ProblemError)
    async def told(request: Request, error: ProblemError) -> JSONResponse:
        return answer(error.problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = error.errors()
        message, param, code = plain(errors)
        status = MISSING if errors[0]["loc"][0] == "path" else BAD
        return answer(Problem(status, message, code, param))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        path = request.url.path[:200]
        messages = {
            404: f"there is nothing at {path!a}: GET /openapi.json lists what there is",
            405: f"{request.method} is not for {path!a}: GET /openapi.json lists what is",
        }
        message = messages.get(error.status_code, str(error.detail))
        code = "not_found" if error.status_code == 404 else "invalid_request"
        found = answer(Problem(error.status_code, message, code))
        found.headers.update(error.headers or {})
        return found

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        message = f"the service failed ({type(error).__name__}): its log says why"
        return answer(Problem(FAILED, message, "failed"))
