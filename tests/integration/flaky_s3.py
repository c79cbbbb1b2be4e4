"""An S3 service on the loopback interface that has bad days: moto, with faults in front of it."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Any, NamedTuple, Self

from werkzeug.serving import WSGIRequestHandler, make_server

StartResponse = Callable[..., Any]
Answer = tuple[str, list[tuple[str, str]], bytes]  # status, headers, body


def _error(status: str, code: str, message: str) -> Answer:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body.encode()


INTERNAL_ERROR = _error("500 Internal Server Error", "InternalError", "We encountered an internal error.")
SLOW_DOWN = _error("503 Slow Down", "SlowDown", "Please reduce your request rate.")
FAULTS = ("internal_error", "slow_down", "lost_answer", "cut_answer")


class Request(NamedTuple):
    method: str
    path: str  # /bucket/key
    fault: str  # one of `FAULTS`, "broken", or "" for an honest answer


class FlakyS3:
    """Serves between `__enter__` and `__exit__`, honestly until it is told otherwise.

    Attributes:
        every: one of so many requests gets a fault, of each kind in turn; None for none. They are
            internal_error: 500, and nothing was done; slow_down: 503, and nothing was done;
            lost_answer: it was done, and the answer is 500; cut_answer: it was done, and half of the answer comes.
        broken: requests whose path ends with this get 500 for as long as it is set; "" breaks all.
        requests: every request so far.
        sent: bytes of all answers so far.
    """

    def __init__(self) -> None:
        self.every: int | None = None
        self.broken: str | None = None
        self.requests: list[Request] = []
        self.sent = 0
        self._turns = cycle(FAULTS)
        self._lock = threading.Lock()
        self._moto: Any = None

    def __enter__(self) -> Self:
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=_Quiet)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="flaky-s3", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What leads S3 clients here, and keeps them from looking for credentials anywhere else."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def faults(self) -> Counter[str]:
        """How many requests had which fault."""
        return Counter(request.fault for request in self.requests if request.fault)

    def writes(self) -> list[Request]:
        """The requests that changed something, or would have."""
        return [request for request in self.requests if request.method not in ("GET", "HEAD")]

    def _serve(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        fault = self._note(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if fault in ("broken", "internal_error", "slow_down"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))  # a client is heard out
            answer = SLOW_DOWN if fault == "slow_down" else INTERNAL_ERROR
        else:
            answer = self._ask_moto(environ)
            if fault == "lost_answer":
                answer = INTERNAL_ERROR
        status, headers, body = answer
        if environ["REQUEST_METHOD"] == "HEAD":
            body = b""
        start_response(status, headers)
        with self._lock:
            self.sent += len(body)
        return [body[: len(body) // 2] if fault == "cut_answer" else body]

    def _note(self, method: str, path: str) -> str:
        with self._lock:
            fault = ""
            if self.broken is not None and path.endswith(self.broken):
                fault = "broken"
            elif self.every and len(self.requests) % self.every == self.every - 1:
                fault = next(self._turns)
            self.requests.append(Request(method, path, fault))
            return fault

    def _ask_moto(self, environ: dict[str, Any]) -> Answer:
        with self._lock:
            if self._moto is None:
                from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

                self._moto = DomainDispatcherApplication(create_backend_app)
        head: list[Any] = []
        body = b"".join(self._moto(environ, lambda status, headers, *_: head.extend((status, headers))))
        return head[0], head[1], body


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass
