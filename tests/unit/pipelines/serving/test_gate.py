"""Headers decide, before a byte of a body is read."""

import asyncio
import json

import pytest

from pipelines.serving.gate import Gate
from pipelines.serving.token import Token

TOKEN = "a token of tests"


def passed(
    path: str, token: str | None = TOKEN, query: str = "", method: str = "GET", **headers: str
) -> tuple[int, dict, dict[str, str]]:
    """Status, JSON and headers of an answer; 200 comes from the application, which nobody is to reach otherwise."""
    sent: list[dict] = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def receive():
        raise AssertionError("a body was read")

    async def send(message):
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": named}
    asyncio.run(Gate(app, Token.of(token), 100)(scope, receive, send))
    given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], json.loads(sent[1]["body"]), given


@pytest.mark.parametrize("path", ["/", "/healthz", "/page/page.css"])
def test_the_page_and_health_need_no_token(path):
    assert passed(path)[0] == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/rgbd", "/openapi.json", "/pages", "/page", "//", "/healthz/x"])
def test_all_else_needs_it(path):
    status, body, headers = passed(path)
    assert (status, body["error"]["type"], headers["www-authenticate"]) == (401, "authentication_error", "Bearer")
    assert passed(path, authorization=f"Bearer {TOKEN}")[0] == 200
    assert passed(path, token=None)[0] == 200


def test_a_viewer_is_opened_by_its_own_key():
    viewer, key = "/v1/results/abc/viewer.html", Token.of(TOKEN).key_of("abc")
    assert passed(viewer, query=f"key={key}")[0] == 200
    assert passed(viewer, token=None)[0] == 200
    for path, query in [
        (viewer, ""),
        (viewer, "key="),
        (viewer, f"key={key[:-1]}"),
        (viewer, f"key={Token.of('another token').key_of('abc')}"),
        (viewer, "key=%ff"),
        ("/v1/results/abd/viewer.html", f"key={key}"),
        ("/v1/results/abc/image.png", f"key={key}"),
        ("/v1/jobs/abc", f"key={key}"),
    ]:
        assert passed(path, query=query)[0] == 401
    assert passed(viewer, query=f"key={key}", method="DELETE")[0] == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_length": "100"}, 200),
        ({"content_length": "0"}, 200),
        ({"content_length": "101"}, 413),
        ({"content_length": "9" * 5_000}, 413),
        ({"content_length": "-1"}, 400),
        ({"content_length": "ten"}, 400),
        ({"transfer_encoding": "chunked"}, 411),
        ({}, 200),
    ],
)
def test_a_body_is_refused_by_its_size_before_it_is_read(headers, status):
    assert passed("/v1/rgbd", token=None, **headers)[0] == status


def test_every_answer_forbids_to_guess_its_type():
    assert passed("/")[2]["x-content-type-options"] == "nosniff"
    assert passed("/v1/rgbd")[2]["x-content-type-options"] == "nosniff"
