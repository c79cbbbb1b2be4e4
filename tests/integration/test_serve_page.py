"""The service's page in a real browser, before a service that answers by our contract."""

import time
from collections.abc import Iterator

import cv2
import matplotlib
import numpy as np
import pytest

from tests.builders.browser import CHROMIUM, DRAWS, Browser
from tests.builders.canned_service import HEIGHT, WIDTH, CannedService
from tests.builders.page_of_service import Page
from tests.builders.psnr import psnr

if CHROMIUM is None:
    pytest.skip("no chromium, chromium-browser or google-chrome on PATH", allow_module_level=True)


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


def test_a_picture_is_drawn_with_previews_and_only_this_service_is_asked(page, service):
    service.may_end.clear()
    page.fill("prompt", "a room")
    page.click("draw")
    page.wait("$('progress').value === 3")
    small = cv2.resize(service.image, (24, 16), interpolation=cv2.INTER_AREA)
    assert (page.pixels("image") == small).all()
    assert page.pixels("depth").shape == small.shape
    assert page.ask("$('frame').classList.contains('preview')")
    assert page.ask("[$('progress').max, $('draw').hidden, $('actions').hidden]") == [4, True, True]
    assert page.text("step") == page.text("said") == "Step 3 of 4"
    service.may_end.set()
    page.wait("!$('draw').hidden")
    assert (page.pixels("image") == service.image).all()
    assert page.ask("[$('progress-row').hidden, $('cancel').hidden]") == [True, True]
    assert not page.ask("$('frame').classList.contains('preview')")
    assert page.text("said") == "Done in 0.5 s"
    assert page.text("facts") == "Seed 1234, 192 \N{MULTIPLICATION SIGN} 128 pixels, drawn in 0.5 s"
    size = {"width": WIDTH, "height": HEIGHT}
    settings = {"steps": 40, "guidance": 5, "scheduler": "ddim", "previews": 8}
    assert service.bodies == [{"prompt": "a room"} | size | settings]
    assert all(url.startswith((service.address, "blob:" + service.address)) for url in page.browser.requests)
    assert page.browser.complaints == []


def test_the_depth_under_the_pointer_and_beside_it_by_keys_is_that_of_the_file(page, service):
    page.draw("a room")
    for column, row in [(0, 0), (WIDTH - 1, HEIGHT - 1), (150, 20), (20, 100), (WIDTH - 1, 0)]:
        page.point(column, row)
        value = int(service.depth[row, column])
        assert page.read() == (value, f"{value / 655.35:.1f}", column, row)
    page.ask("$('frame').focus()")
    page.key("ArrowLeft", 2)
    page.key("ArrowDown", 3)
    page.key("ArrowDown", shift=True)
    assert page.read()[::3] == (service.depth[3 + 12, WIDTH - 3], 15)
    assert page.text("said") == page.text("reading")
    page.key("ArrowUp", 20)
    assert page.read()[::3] == (service.depth[0, WIDTH - 3], 0)


def test_the_slider_shows_more_of_the_picture_or_of_its_depth(page, service):
    page.draw("a room")
    colours = page.pixels("depth")
    page.ask("$('compare').focus()")
    for key, columns in (("End", WIDTH), ("Home", 0), (None, WIDTH // 4)):
        if key:
            page.key(key)
        else:
            page.key("ArrowRight", 25)
        wanted = np.where((np.arange(WIDTH) < columns)[None, :, None], service.image, colours)
        seen = cv2.resize(page.seen("frame"), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        below = np.s_[16:]  # the names are above
        right, *others = (psnr(seen[below], each[below]) for each in (wanted, service.image, colours))
        assert right > 30
        assert all(other < 20 for other in others if other != right)
    assert page.ask("$('compare').getAttribute('aria-valuetext')") == "25 % picture, 75 % depth"


@pytest.mark.parametrize(("name", "theirs"), [("turbo", "turbo"), ("spectral", "Spectral_r")])
def test_depth_has_the_colours_of_matplotlib(page, service, name, theirs):
    page.draw("a room")
    page.ask(f"($('colours').value = '{name}', $('colours').dispatchEvent(new Event('change')))")
    depth = service.depth.astype(float)
    share = (depth - depth.min()) / (depth.max() - depth.min())
    wanted = 255 * matplotlib.colormaps[theirs](np.round(share * 255).astype(np.uint8))[..., :3]
    assert np.abs(page.pixels("depth") - wanted).max() < 4
    assert (page.text("far"), page.text("near")) == ("far 1,000", "61,000 near")


def test_cancel_asks_the_service_to_stop_and_goes_back(page, service):
    page.draw("a room")
    service.may_end.clear()
    page.tab_to("draw")
    page.key("Enter")
    page.wait("$('progress').value === 3")
    assert page.ask("document.activeElement.id") == "cancel"
    page.key("Enter")
    page.wait("$('draw').hidden === false")
    assert service.cancelled == ["r2"]
    assert (page.text("said"), page.ask("document.activeElement.id")) == ("Cancelled", "draw")
    assert (page.pixels("image") == service.image).all()
    assert page.ask("[$('problem').hidden, $('thumbs').children.length]") == [True, 1]
    service.may_end.set()
    page.draw("another")
    assert page.text("caption") == "another"


def test_what_waits_for_its_turn_can_be_cancelled_too(page, service):
    service.may_begin.clear()
    page.fill("prompt", "a room")
    page.click("draw")
    page.wait("$('step').textContent === 'Waiting for its turn' && !$('cancel').hidden")
    page.click("cancel")
    page.wait("!$('draw').hidden")
    assert (page.text("said"), page.ask("$('problem').hidden")) == ("Cancelled", True)
    service.may_begin.set()
    page.draw("another")
    assert page.text("caption") == "another"


def test_what_was_drawn_is_there_after_a_reload_and_can_be_forgotten(page, service):
    page.fill("seed", "77")
    page.fill("negative_prompt", "text")
    page.draw("the first")
    page.fill("seed", "78")
    page.draw("the second")
    page.open()
    page.wait("$('thumbs').children.length === 2")
    asked = len(service.asked)
    page.ask("$('thumbs').children[1].firstChild.click()")
    page.wait("!$('actions').hidden")
    fields = page.ask("['prompt', 'seed', 'negative_prompt', 'steps'].map((id) => $(id).value)")
    assert fields == ["the first", "77", "text", "40"]
    assert (page.pixels("image") == service.image).all()
    page.point(150, 20)
    assert page.read()[0] == service.depth[20, 150]
    assert len(service.asked) == asked
    page.click("clear")
    page.wait("$('history').hidden")
    page.open()
    time.sleep(0.2)
    assert page.ask("[$('history').hidden, $('thumbs').children.length]") == [True, 0]
    assert page.browser.complaints == []


def test_no_more_than_24_are_kept_and_these_are_the_newest(page):
    page.ask(
        "import('/page/store.js').then(async ({ Store }) => { const store = new Store();"
        "for (let i = 0; i < 26; i++) await store.add({ id: String(i), when: i }); })"
    )
    kept = page.ask("import('/page/store.js').then(({ Store }) => new Store().all())")
    assert [each["id"] for each in kept] == [str(i) for i in range(25, 1, -1)]


def test_a_picture_is_drawn_by_the_keyboard_alone(page, service):
    page.tab_to("prompt")
    page.type("a room")
    page.key("Enter", shift=True)
    page.type("by keys")
    page.key("Enter")
    page.wait("!$('actions').hidden")
    assert service.bodies[-1]["prompt"] == "a room\nby keys"
    page.tab_to("frame")
    page.key("ArrowRight")
    assert page.read()[2:] == (WIDTH // 2, HEIGHT // 2)
    page.tab_to("compare")
    page.key("ArrowLeft")
    assert page.ask("$('compare').value") == "49"
    page.tab_to("view")
    page.key("Enter")
    page.wait("!$('place').hidden")


def test_a_model_without_depth_has_a_picture_alone(page, service):
    service.draws_depth = False
    page.draw("a room")
    assert (page.pixels("image") == service.image).all()
    hidden = (
        "['depth', 'depth-rows', 'split', 'left', 'view'].every((id) => $(id).hidden || $(id).closest('[hidden]'))"
    )
    assert page.ask(hidden)
    assert page.ask("[...document.querySelectorAll('[data-save]')].filter((e) => !e.hidden).length") == 1


def test_a_phone_shows_all_of_it_and_a_finger_reads_the_depth(browser, service):
    screen = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.call("Emulation.setDeviceMetricsOverride", **screen)
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    page = Page(browser, service)
    page.draw("a room " + "without-spaces" * 20)
    page.ask("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert page.ask("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    small = page.ask(
        "[...document.querySelectorAll('button, select, summary')].filter((e) => e.checkVisibility())"
        ".filter((e) => e.getBoundingClientRect().height < 40).map((e) => e.textContent)"
    )
    assert small == []
    page.point(150, 90, "touch")
    assert page.read()[0] == service.depth[90, 150]
    assert browser.complaints == []
