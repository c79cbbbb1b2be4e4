"""The page of a flat picture in a real browser: a window, before which the eye moves, and which asks no one."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera, stereo
from ldm3d.immersive.projection import Perspective
from ldm3d.immersive.surface import Surface, flat_surface
from ldm3d.immersive.view import render
from ldm3d.immersive.viewer.page import viewer_html
from ldm3d.toy import room
from tests import ROOT
from tests.builders.browser import CHROMIUM, DRAWS, Browser, drawn
from tests.builders.psnr import psnr

FOV, SIZE = 55.0, (240, 160)
CAMERA = PerspectiveCamera(*SIZE, FOV)
PICTURE, DISTANCE = room.look(np.zeros(3), CAMERA.rays())
Z = DISTANCE / np.linalg.norm(CAMERA.rays(), axis=-1)
WINDOW = float(1 / np.mean(1 / Z))
HIDDEN = flood(PICTURE, Z, projection=Perspective(FOV))
HEADSET = ROOT / "ldm3d/immersive/viewer/node_modules/iwer/build/iwer.min.js"

if CHROMIUM is None:
    pytest.skip("no chromium, chromium-browser or google-chrome on PATH", allow_module_level=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "flat.html"
    text = viewer_html(PICTURE, Z, background=HIDDEN, title="A room", quality=95, projection=Perspective(FOV))
    file.write_text(text, "utf-8")
    return file


@pytest.fixture(scope="module")
def surfaces() -> list[Surface]:
    front = flat_surface(PICTURE, Z, FOV)
    return [front, HIDDEN.surface(front)]


@pytest.fixture(scope="module")
def shared(page: Path) -> Iterator[Browser]:
    with Browser(*DRAWS, size=SIZE) as running:
        running.open(page)
        yield running


@pytest.fixture
def browser(shared: Browser) -> Browser:
    """A browser whose page is as it was at first, but still."""
    shared.ask("viewer.setMotion('still'); viewer.setMode('mono'); viewer.setAmount(1); viewer.home()")
    return shared


def test_it_asks_for_nothing_and_complains_of_nothing(browser, page):
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    assert browser.ask("document.getElementById('view').getAttribute('aria-roledescription')") == "picture"
    assert browser.ask("[...document.querySelectorAll('#motion option')].map((each) => each.value)") == [
        "still",
        "sway",
    ]


def test_at_first_it_is_the_picture_itself(browser):
    seen = drawn(browser)
    assert psnr(seen, PICTURE) > 40
    browser.ask("viewer.setAmount(0)")
    assert psnr(drawn(browser), seen) > 45


@pytest.mark.parametrize("side", [(0.08, 0.02, 0), (-0.05, -0.05, 0.04), (0, 0.06, -0.08)])
def test_a_step_aside_is_that_of_our_own_renderer(browser, surfaces, side):
    ours = render(surfaces, PerspectiveCamera(*SIZE, FOV, side, window=WINDOW)).image
    theirs = drawn(browser, position=list(side))
    right = psnr(theirs, ours)
    assert right > 33
    for axis in np.flatnonzero(side):
        mirrored = tuple(-x if place == axis else x for place, x in enumerate(side))
        wrong = render(surfaces, PerspectiveCamera(*SIZE, FOV, mirrored, window=WINDOW)).image
        assert psnr(theirs, wrong) < right - 3
    for wrong in (np.roll(ours, 1, 1), np.roll(ours, 1, 0), PICTURE):
        assert psnr(theirs, wrong) < right - 3


def test_each_eye_sees_its_own_side_and_all_of_the_picture(browser, surfaces):
    browser.ask("viewer.setMode('side-by-side')")
    both = drawn(browser)
    half, rows = SIZE[0] // 2, SIZE[1] // 2
    assert (both[: rows // 2 - 1] == 0).all()  # a half is as high as the window, and the picture as wide as a half
    middle = both[rows // 2 : -rows // 2]
    eyes = stereo(PerspectiveCamera(half, rows, FOV, window=WINDOW))
    left, right = (render(surfaces, eye, samples=2).image for eye in eyes)
    assert psnr(middle[:, :half], left) > psnr(middle[:, :half], right) + 2
    assert psnr(middle[:, half:], right) > psnr(middle[:, half:], left) + 2
    browser.ask("viewer.setMode('anaglyph')")
    both = drawn(browser)
    left, right = (render(surfaces, eye).image for eye in stereo(PerspectiveCamera(*SIZE, FOV, window=WINDOW)))
    assert psnr(both[..., :1], left[..., :1]) > psnr(both[..., :1], right[..., :1]) + 3
    assert psnr(both[..., 1:], right[..., 1:]) > psnr(both[..., 1:], left[..., 1:]) + 3


def test_a_drag_and_arrows_move_the_eye_which_stays_in_its_box(browser):
    for kind, x in (("mousePressed", 200), ("mouseMoved", 180), ("mouseReleased", 180)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=60, button="left", buttons=1, clickCount=1)
    state = browser.ask("viewer.state()")
    assert state["reach"] == pytest.approx(0.15 * Z.min(), rel=1e-3)
    assert (state["yaw"], state["pitch"]) == (0, 0)
    assert state["position"] == pytest.approx([20 / SIZE[1] * 2 * state["reach"], 0, 0])  # near things follow
    browser.ask("document.getElementById('view').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowUp", code="ArrowUp")
    end = time.monotonic() + 30
    while browser.ask("viewer.state().position[1]") <= 0:
        assert time.monotonic() < end
    state = browser.ask("(viewer.setPose({position: [5, -5, 5], yaw: 90, fov: 170}), viewer.state())")
    assert np.abs(state["position"]).max() <= state["reach"]
    assert (state["yaw"], state["fov"]) == (0, FOV)


def test_without_webgl_the_picture_is_there(page):
    with Browser("--disable-3d-apis", "--disable-gpu", size=SIZE) as browser:
        browser.open(page)
        assert browser.ask("viewer.ready") is False
        assert "no WebGL 2" in browser.ask("document.getElementById('message').textContent")
        assert browser.ask("document.getElementById('picture').getBoundingClientRect().width") == SIZE[0]
        assert browser.complaints == []


@pytest.mark.skipif(not HEADSET.exists(), reason="no pretend headset (iwer): make viewer installs it")
def test_a_headset_shows_a_window_of_its_angle(page):
    headset = (
        f"{HEADSET.read_text('utf-8')}; window.worn = new IWER.XRDevice(IWER.metaQuest3);"
        "worn.installRuntime({ forceInstall: true }); worn.stereoEnabled = true;"
    )
    with Browser(*DRAWS, size=(320, 240)) as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=headset)
        browser.open(page)
        browser.ask("document.querySelector('header').hidden = document.getElementById('panel').hidden = true")
        end = time.monotonic() + 30
        while browser.ask("document.getElementById('headset').hidden"):
            assert time.monotonic() < end
        browser.call("Runtime.evaluate", expression="document.getElementById('headset').click()", userGesture=True)
        tall = 120 * np.tan(np.radians(FOV) / 2)  # rows of half the picture: this headset sees 90 degrees
        while not (seen := worn(browser))[120, [80, 240]].any():
            assert time.monotonic() < end
        is_there = seen.any(axis=(1, 2))
        np.testing.assert_allclose(np.flatnonzero(is_there)[[0, -1]], [120 - tall, 119 + tall], atol=1.5)
        assert psnr(seen[:, :160], seen[:, 160:]) < 30
        assert browser.complaints == []


def worn(browser: Browser) -> np.ndarray:
    """What both eyes see."""
    with Image.open(io.BytesIO(browser.screenshot())) as image:
        return np.asarray(image.convert("RGB"))
