"""What is refused by the headers of a request, before anything of its body is read or looked at."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from pipelines.serving.problem import BAD, GONE_LENGTH, LARGE, Problem
from pipelines.serving.token import Token

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/", "/healthz")
OPEN_UNDER = "/page/"
VIEWER = re.compile(r"/v1/results/(\w+)/viewer\.html", re.ASCII)  # has a key in its address, as frames send no token
SAFE = (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")


class Gate:
    """Around the application: it looks at the token, and at how large a body will be."""

    def __init__(self, app: App, token: Token, most_bytes: int) -> None:
        self.app, self.token, self.most_bytes = app, token, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_safely(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *SAFE]
            await send(message)

        if problem := self.refusal(scope):
            await answer(problem, send_safely)
        else:
            await self.app(scope, receive, send_safely)

    def refusal(self, scope: Scope) -> Problem | None:
        """Return why a request is refused; None if it is not."""
        headers, path = dict(scope["headers"]), scope["path"]
        if not self._is_open(scope, path) and (problem := self.token.refusal(headers.get(b"authorization"))):
            return problem
        length = headers.get(b"content-length")
        if length is None:
            if b"transfer-encoding" not in headers:
                return None
            return Problem(GONE_LENGTH, "the body has no Content-Length: send one", "missing_length")
        if not length.isdigit():
            return Problem(
                BAD, "Content-Length is not a number of bytes: send the length of the body", "invalid_length"
            )
        if len(length) > 18 or int(length) > self.most_bytes:
            return Problem(LARGE, f"the body is too large, wanted at most {self.most_bytes:,} bytes", "too_large")
        return None

    def _is_open(self, scope: Scope, path: str) -> bool:
        """Return whether a path may be had without the token."""
        if path in OPEN or path.startswith(OPEN_UNDER):
            return True
        viewer = VIEWER.fullmatch(path)
        if viewer is None or scope["method"] != "GET":
            return False
        keys = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("key", [""])
        return self.token.opens(viewer[1], keys[0])


async def answer(problem: Problem, send: Send) -> None:
    """Answer with a problem."""
    content = json.dumps(problem.body()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(content)), "connection": "close"}
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers | problem.headers()).items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
