"""What the service's page asks, and what it does with the answers, in a real browser before a service like ours."""

import ast
import json
import shlex
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.builders.browser import CHROMIUM, DRAWS, Browser
from tests.builders.canned_service import HEIGHT, MODEL, CannedService
from tests.builders.page_of_service import Page

if CHROMIUM is None:
    pytest.skip("no chromium, chromium-browser or google-chrome on PATH", allow_module_level=True)

MARKUP = "<img src=x onerror='window.injected = 1'></p><script>window.injected = 2</script> 'it' \"is\" \\ $HOME `ls`"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(*DRAWS, size=(1280, 800)) as running:
        yield running


@pytest.fixture
def service() -> Iterator[CannedService]:
    with CannedService() as running:  # an address of its own: what a browser keeps belongs to it
        yield running
        running.may_begin.set()
        running.may_end.set()
        running.shutdown()


@pytest.fixture
def page(browser: Browser, service: CannedService) -> Page:
    return Page(browser, service)


def test_errors_are_told_in_the_services_words(page, service):
    service.refusal = (400, "steps is 500, wanted 1 to 150: ask for fewer", {})
    page.draw("a room")
    assert page.text("problem") == "steps is 500, wanted 1 to 150: ask for fewer"
    assert page.ask("[$('empty').hidden, $('draw').hidden]") == [False, False]
    service.refusal = (503, "8 pictures wait", {"Retry-After": "7"})
    page.click("draw")
    page.wait("$('problem').textContent === '8 pictures wait. Try again in 7 seconds.'")
    service.failure = "the networks gave NaN: try a lower guidance"
    page.click("draw")
    page.wait("$('problem').textContent === 'the networks gave NaN: try a lower guidance'")
    assert page.ask("[$('empty').hidden, $('picture').hidden]") == [False, True]
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.browser.call("Network.emulateNetworkConditions", offline=True, **offline)
    page.click("draw")
    page.wait("$('problem').textContent.startsWith('The service does not answer.')")
    page.browser.call("Network.emulateNetworkConditions", offline=False, **offline)
    page.draw("a room")
    assert page.ask("$('problem').hidden")


def test_a_token_is_asked_for_only_when_it_is_wanted_and_kept_in_the_tab(page, service):
    assert page.ask("$('token-row').hidden")
    service.token = "a secret of ours"
    page.open()
    assert page.ask("document.activeElement.id") == "token"
    page.type("wrong")
    page.key("Enter")
    page.wait("!$('token-row').hidden && $('problem').textContent === 'send the token of this service'")
    page.type(service.token)
    page.key("Enter")
    page.wait("$('token-row').hidden && $('width').value")
    page.draw("a room")
    assert (page.pixels("image") == service.image).all()
    calls = page.text("curl") + page.text("python")
    assert calls.count("LDM3D_TOKEN") == 2
    assert service.token not in calls + page.ask("JSON.stringify(localStorage) + document.cookie")
    page.open()
    assert page.ask("$('token-row').hidden")


def test_markup_is_text_wherever_it_comes_from(page, service):
    assert page.ask("$('examples').children[1].textContent") == MODEL["ldm3d"]["examples"][1]
    page.draw(MARKUP)
    assert page.text("caption") == MARKUP
    service.refusal = (400, MARKUP, {})
    page.click("draw")
    page.wait("!$('problem').hidden")
    assert page.text("problem") == MARKUP
    page.open()
    page.wait("$('thumbs').children.length === 1")
    assert page.ask("$('thumbs').querySelector('img').alt") == f"{MARKUP}, seed 1234"
    assert page.ask("window.injected") is None
    assert page.browser.complaints == []


def test_the_calls_ask_for_what_is_shown(page, service, monkeypatch):
    page.fill("prompt", MARKUP)
    page.fill("seed", "5")
    page.click("panorama")
    shown = {"prompt": MARKUP, "steps": 40, "guidance": 5, "seed": 5, "scheduler": "ddim", "panorama": True}
    words = shlex.split(page.text("curl"))
    assert words[:3] == ["curl", "--fail-with-body", f"{service.address}v1/rgbd"]
    assert json.loads(words[words.index("-d") + 1]) == shown | {"width": 2 * HEIGHT, "height": HEIGHT}
    called: dict[str, Any] = {}

    def client(**settings: object) -> types.SimpleNamespace:
        called["client"] = settings
        return types.SimpleNamespace(images=types.SimpleNamespace(generate=called.update))

    monkeypatch.setitem(sys.modules, "openai", types.SimpleNamespace(OpenAI=client))
    tree = ast.parse(page.text("python"))
    tree.body = tree.body[:-3]  # what is done with the answer
    exec(compile(tree, "the call", "exec"), {})
    del shown["prompt"]
    assert called == {
        "client": {"base_url": f"{service.address}v1", "api_key": "none"},
        "model": "toy/room",
        "prompt": MARKUP,
        "size": f"{2 * HEIGHT}x{HEIGHT}",
        "response_format": "b64_json",
        "extra_body": shown,
    }
    page.draw(MARKUP)
    assert service.bodies[-1] == shown | {"prompt": MARKUP, "width": 2 * HEIGHT, "height": HEIGHT, "previews": 8}


def test_a_place_is_shown_in_a_frame_of_its_own_while_the_service_has_it(page, service):
    page.draw("a room")
    page.click("view")
    page.wait("!$('place').hidden")
    assert page.ask("$('place').firstChild.getAttribute('sandbox')") == "allow-scripts"
    end = time.monotonic() + 20
    while not has_colour(page.seen("place"), service.image[60, 165]):  # the red ball
        assert time.monotonic() < end
        time.sleep(0.1)
    page.click("view")
    assert page.ask("[$('place').hidden, $('place').children.length, $('view').textContent]") == [True, 0, "3D view"]
    assert page.browser.complaints == []
    service.results.clear()
    page.click("view")
    page.wait("$('problem').textContent === 'nothing is known of it: results are kept for a while only'")
    assert page.ask("$('place').hidden")


def test_a_place_of_a_service_with_a_token_is_shown_or_downloaded(page, service, tmp_path):
    service.token = "a secret of ours"
    page.open()
    page.type(service.token)
    page.key("Enter")
    page.wait("$('width').value")
    page.browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.draw("a room")
    page.click("view")
    page.wait("$('problem').textContent.startsWith('A frame cannot send the token.')")
    await_file(tmp_path / "a-room-1234.html", service.results["viewer.html"][1])
    service.key = "?key=of-this-result"
    page.draw("a room")
    page.click("view")
    page.wait("!$('place').hidden")
    assert ("GET", f"/v1/results/r2/viewer.html{service.key}") in service.asked


def has_colour(picture: NDArray[np.uint8], colour: NDArray[np.uint8]) -> bool:
    return bool((np.abs(picture.astype(int) - colour).max(-1) < 12).mean() > 0.001)


def test_files_are_downloaded_as_the_service_has_them(page, service, tmp_path):
    page.browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.draw("A lemon, sliced")
    names = {"image": "image.png", "depth": "depth.png", "glb": "scene.glb", "splats": "splats.ply"}
    endings = {"image": ".png", "depth": "-depth.png", "glb": ".glb", "splats": ".ply"}
    for kind, name in names.items():
        page.ask(f"document.querySelector('[data-save={kind}]').click()")
        file = tmp_path / f"a-lemon-sliced-1234{endings[kind]}"
        await_file(file, service.results[name][1])


def await_file(file: Path, content: bytes) -> None:
    end = time.monotonic() + 20
    while not (file.exists() and file.read_bytes() == content):
        assert time.monotonic() < end, list(file.parent.iterdir())
        time.sleep(0.02)


def test_one_of_several_models_is_chosen(browser, service):
    other = {"id": "other", "object": "model", "ldm3d": {"width": 64, "height": 64, "max_steps": 9}}
    service.models.append(other)
    page = Page(browser, service)
    page.ask("($('model').value = 'other', $('model').dispatchEvent(new Event('change')))")
    page.draw("a room")
    body = service.bodies[-1]
    assert (body["model"], body["width"], body["steps"]) == ("other", 64, 9)
    assert 'model="other"' in page.text("python")


@pytest.mark.parametrize("cut", [1, 2, 7, 1_000])
def test_events_are_read_wherever_the_connection_cuts_them(page, cut):
    ends = 'data: {"a":\r\ndata: "ö"}\r\n\r\ndata:two\r\rid: 3\nevent: e\n\nevent: x\ndata\n\n'
    told = f": hello\r\n\r\nevent: one\r\n{ends}"
    found = page.ask(
        "import('/page/events.js').then(async ({ eventsOf }) => { const found = [];"
        f"const bytes = new TextEncoder().encode({json.dumps(told)}); const body = new ReadableStream({{ start(to) {{"
        f"for (let i = 0; i < bytes.length; i += {cut}) to.enqueue(bytes.slice(i, i + {cut})); to.close(); }} }});"
        "for await (const event of eventsOf(body)) found.push([event.type, event.data]); return found; })"
    )
    assert found == [["one", '{"a":\n"ö"}'], ["message", "two"], ["x", ""]]
