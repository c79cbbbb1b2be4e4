"""The page of a panorama in a real browser: it shows what is seen from there, and asks no one for anything."""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldm3d.config import DepthFusionConfig
from ldm3d.fusion.pages import place_page
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.scene import Scene
from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera, stereo
from ldm3d.immersive.surface import Surface, panorama_surface
from ldm3d.immersive.view import render
from ldm3d.immersive.viewer.page import viewer_html
from ldm3d.toy import room
from tests import ROOT
from tests.builders.browser import CHROMIUM, DRAWS, Browser, drawn
from tests.builders.psnr import psnr

HEIGHT, VIEW = 256, (320, 240)
SIDE = (0.08, 0.02, -0.06)  # 0.1 m from the middle
HEADSET = ROOT / "ldm3d/immersive/viewer/node_modules/iwer/build/iwer.min.js"

if CHROMIUM is None:
    pytest.skip("no chromium, chromium-browser or google-chrome on PATH", allow_module_level=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture, distance = room.panorama(HEIGHT)
    file = tmp_path_factory.mktemp("page") / "room.html"
    title = "</title><script>window.injected = 1</script><!-- </script><img src=x onerror='window.injected = 2'>"
    facts = {"<script>": "</script><script>window.injected = 3</script>"}
    text = viewer_html(picture, distance, background=flood(picture, distance), title=title, facts=facts, quality=95)
    file.write_text(text, "utf-8")
    return file


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that is drawn quickly, for what does not depend on what is seen."""
    file = tmp_path_factory.mktemp("quick") / "room.html"
    file.write_text(viewer_html(*room.panorama(HEIGHT), grid=64), "utf-8")
    return file


@pytest.fixture(scope="module")
def surfaces() -> list[Surface]:
    picture, distance = room.panorama(HEIGHT)
    front = panorama_surface(picture, distance)
    return [front, flood(picture, distance).surface(front)]


@pytest.fixture(scope="module")
def shared(page: Path) -> Iterator[Browser]:
    with Browser(*DRAWS, size=VIEW) as running:
        running.open(page)
        yield running


@pytest.fixture
def browser(shared: Browser) -> Browser:
    """A browser whose page is as it was at first, but still."""
    shared.ask(
        "viewer.setMotion('still'); viewer.setMode('mono'); viewer.setAmount(1); viewer.setCut(true);"
        "viewer.setFill(true); viewer.home()"
    )
    return shared


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_asks_for_nothing_but_itself_complains_of_nothing_and_runs_nothing_of_its_title(browser, page):
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    assert browser.ask("window.injected") is None
    assert "<script>" in browser.ask("document.querySelector('h1').textContent")
    assert browser.ask("document.title").startswith("</title><script>")


def test_its_policy_keeps_scripts_and_requests_of_others_away(quick):
    with Browser(*DRAWS, size=VIEW) as browser:
        browser.open(quick)
        browser.ask(
            "(() => { const script = document.createElement('script'); script.textContent = 'window.injected = 4';"
            "document.body.append(script); })()"
        )
        assert browser.ask("window.injected") is None
        assert browser.ask("fetch('data:text/plain,x').then(() => 'answered', () => 'refused')") == "refused"
        assert browser.complaints
        assert all("Content Security Policy" in complaint for complaint in browser.complaints)


@pytest.mark.parametrize("yaw", [0, 30, 180, -100])
def test_a_view_is_that_of_our_own_renderer(browser, surfaces, yaw):
    for position in ((0, 0, 0), SIDE):
        camera = PerspectiveCamera(*VIEW, 75, position, yaw, -10)
        ours = render(surfaces, camera).image
        theirs = drawn(browser, position=list(position), yaw=yaw, pitch=-10, fov=75)
        right = psnr(theirs, ours)
        assert right > 34
        for wrong in (ours[:, ::-1], ours[::-1], np.roll(ours, 1, 1), np.roll(ours, 1, 0)):
            assert psnr(theirs, wrong) < right - 3


def test_a_step_to_the_side_is_a_step_to_that_side(browser, surfaces):
    theirs = drawn(browser, position=list(SIDE), yaw=0, pitch=0, fov=75)
    right = psnr(theirs, render(surfaces, PerspectiveCamera(*VIEW, 75, SIDE)).image)
    for wrong in ((-SIDE[0], *SIDE[1:]), (SIDE[0], -SIDE[1], SIDE[2]), (*SIDE[:2], -SIDE[2])):
        assert psnr(theirs, render(surfaces, PerspectiveCamera(*VIEW, 75, wrong)).image) < right - 6


def test_the_seam_is_like_any_other_column(browser, tmp_path):
    picture, distance = room.panorama(HEIGHT)
    turned = tmp_path / "turned.html"
    turned.write_text(viewer_html(np.roll(picture, HEIGHT, 1), np.roll(distance, HEIGHT, 1), quality=95), "utf-8")
    browser.ask("viewer.setCut(false)")
    pose = {"pitch": 0, "fov": 50}
    with Browser(*DRAWS, size=VIEW) as other:
        other.open(turned)
        for x, z in ((0, 0), (0.03, -0.05)):
            behind = drawn(browser, position=[x, 0, z], yaw=180, **pose)
            ahead = drawn(other, position=[-x, 0, -z], yaw=0, **pose)
            off = np.abs(behind - ahead).mean(axis=(0, 2))
            assert off.max() < 0.5


def test_the_poles_are_not_black(browser):
    for pitch in (90, -90):
        assert drawn(browser, position=[0.03, 0.02, 0], pitch=pitch, fov=40).min() > 20


def test_each_eye_sees_its_own_side(browser, surfaces):
    browser.ask("viewer.setMode('side-by-side')")
    both = drawn(browser, position=[0, 0, 0], yaw=20, pitch=0, fov=75)
    half = VIEW[0] // 2
    eyes = stereo(PerspectiveCamera(half, VIEW[1], 75, yaw=20))
    left, right = (render(surfaces, eye).image for eye in eyes)
    assert psnr(both[:, :half], left) > 25
    assert psnr(both[:, half:], right) > 25
    assert psnr(both[:, :half], right) < psnr(both[:, :half], left) - 3
    assert psnr(both[:, half:], left) < psnr(both[:, half:], right) - 3


def test_red_is_for_the_left_eye_and_the_rest_for_the_right_one(browser, surfaces):
    browser.ask("viewer.setMode('anaglyph')")
    both = drawn(browser, position=[0, 0, 0], yaw=20, pitch=0, fov=75)
    left, right = (render(surfaces, eye).image for eye in stereo(PerspectiveCamera(*VIEW, 75, yaw=20)))
    assert psnr(both[..., :1], left[..., :1]) > psnr(both[..., :1], right[..., :1]) + 3
    assert psnr(both[..., 1:], right[..., 1:]) > psnr(both[..., 1:], left[..., 1:]) + 3


def test_the_slider_flattens_it_to_a_sphere_of_the_mean_radius(browser):
    browser.ask(
        "(() => { const slider = document.getElementById('amount'); slider.value = 0;"
        "slider.dispatchEvent(new Event('input')); })()"
    )
    assert browser.ask("viewer.state().amount") == 0
    assert browser.ask("document.getElementById('amount-value').textContent") == "0 %"
    picture, distance = room.panorama(HEIGHT)
    areas = np.cos((0.5 - (np.arange(HEIGHT) + 0.5) / HEIGHT) * np.pi)
    radius = 1 / np.average((1 / distance).mean(axis=1), weights=areas)
    sphere = panorama_surface(picture, np.full_like(distance, radius))
    ours = render([sphere], PerspectiveCamera(*VIEW, 75, SIDE, -60)).image
    flat = drawn(browser, position=list(SIDE), yaw=-60, pitch=0, fov=75)
    right = psnr(flat, ours)
    assert right > 34
    browser.ask("viewer.setAmount(1)")
    assert psnr(drawn(browser), ours) < right - 4


def test_from_the_middle_no_amount_of_depth_is_seen(browser):
    deep = drawn(browser, position=[0, 0, 0], yaw=30)
    browser.ask("viewer.setAmount(0)")
    assert psnr(drawn(browser), deep) > 45


def test_a_cut_shows_holes_which_are_filled(browser):
    pose = {"position": [0.15, 0, 0.1], "yaw": -10, "pitch": 10, "fov": 80}
    filled = drawn(browser, **pose)
    browser.ask("viewer.setFill(false)")
    holes = (drawn(browser) == 0).all(axis=-1)
    assert 0.002 < holes.mean() < 0.05
    assert (filled[holes] == 0).all(axis=-1).mean() < 0.1
    browser.ask("viewer.setCut(false)")
    assert not (drawn(browser) == 0).all(axis=-1).any()


def test_the_eye_stays_in_its_box_and_is_led_back_from_its_edge(browser):
    state = browser.ask("(viewer.setPose({position: [5, -5, 0]}), viewer.state())")
    nearest = room.panorama(HEIGHT)[1].min()
    assert state["reach"] == pytest.approx(0.15 * nearest, rel=1e-3)
    assert np.abs(state["position"]).max() <= state["reach"]
    assert state["light"] < 0.5
    wait_for(lambda: browser.ask("viewer.state().light") == 1)
    assert 0 < browser.ask("viewer.state().position[0]") < state["reach"]


def test_keys_and_a_drag_turn_and_move_the_eye(browser):
    browser.ask("document.getElementById('view').focus()")
    for key, code in (("ArrowRight", "ArrowRight"), ("ArrowUp", "ArrowUp"), ("w", "KeyW"), ("d", "KeyD")):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=code)
    wait_for(lambda: browser.ask("viewer.state().position[0]") > 0)
    state = browser.ask("viewer.state()")
    assert state["yaw"] > 0
    assert state["pitch"] > 0
    assert state["position"][2] < 0
    browser.ask("viewer.home()")
    for kind, x in (("mousePressed", 200), ("mouseMoved", 100), ("mouseReleased", 100)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=60, button="left", buttons=1, clickCount=1)
    assert browser.ask("viewer.state().yaw") == pytest.approx(100 * 75 / VIEW[1])


def test_motion_moves_it_but_not_for_those_who_asked_their_system_for_less(quick):
    with Browser(*DRAWS, size=VIEW) as browser:
        browser.open(quick)
        assert browser.ask("viewer.state().motion") == "sway"
        first = browser.ask("viewer.state().position")
        wait_for(lambda: browser.ask("viewer.state().position") != first)
        browser.ask("viewer.setMotion('turn')")
        wait_for(lambda: browser.ask("viewer.state().yaw") > 0)
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        browser.open(quick)
        assert browser.ask("viewer.state().motion") == "still"
        first = drawn(browser)
        time.sleep(0.5)
        np.testing.assert_array_equal(drawn(browser), first)


def test_two_fingers_zoom_and_a_phone_is_shown_the_picture_first(quick):
    with Browser(*DRAWS, size=(240, 400), phone=True) as browser:
        browser.open(quick)
        assert browser.ask("document.documentElement.scrollWidth") <= 240
        assert browser.ask("document.getElementById('panel').open") is False
        before = browser.ask("viewer.state().fov")
        for kind, apart in (("touchStart", 30), ("touchMove", 45), ("touchMove", 60), ("touchEnd", None)):
            points = [] if apart is None else [{"x": 120, "y": 150 - apart}, {"x": 120, "y": 150 + apart}]
            browser.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        assert browser.ask("viewer.state().fov") == pytest.approx(before / 2, rel=0.02)


def test_controls_are_closed_in_the_frame_of_the_largest_page_of_a_place_and_open_in_a_window(quick, tmp_path):
    config = DepthFusionConfig(input="in", output="out")
    depth = Scene(Panorama.of(*room.panorama(2), "distance", config.depth), config).facts()
    facts = {"title": "A room", "width": 4, "height": 2, "files": {"viewer.html": ""}, "depth": depth}
    (tmp_path / "index.html").write_text(place_page(facts, {"viewer.html": 0}), "utf-8")
    (tmp_path / "viewer.html").write_text(quick.read_text("utf-8"), "utf-8")
    size = "(({ width, height }) => [width, height])(document.querySelector('iframe').getBoundingClientRect())"
    is_open = "document.getElementById('panel').open"
    with Browser(*DRAWS, size=(2560, 1440)) as browser:
        browser.call("Page.navigate", url=(tmp_path / "index.html").as_uri())
        wait_for(lambda: browser.ask("document.readyState === 'complete' && !!document.querySelector('iframe')"))
        width, height = map(round, browser.ask(size))
        assert height > 600
        browser.open(quick)
        assert browser.ask(is_open) is True
    with Browser(*DRAWS, size=(width, height)) as browser:
        browser.open(quick)
        assert browser.ask(is_open) is False
        assert browser.ask("document.getElementById('panel').offsetHeight") < height / 8


def test_a_picture_larger_than_the_device_takes_is_scaled_down_not_black(quick, browser):
    small = (
        "const original = WebGL2RenderingContext.prototype.getParameter;"
        "WebGL2RenderingContext.prototype.getParameter = function (name) {"
        "return name === this.MAX_TEXTURE_SIZE ? 200 : original.call(this, name); };"
    )
    pose = {"position": [0, 0, 0], "yaw": 0, "pitch": 0, "fov": 75}
    sharp = drawn(browser, **pose)
    with Browser(*DRAWS, size=VIEW) as other:
        other.call("Page.addScriptToEvaluateOnNewDocument", source=small)
        other.open(quick)
        assert 24 < psnr(drawn(other, **pose), sharp) < 32


def test_without_webgl_the_flat_picture_is_there_to_be_dragged(quick):
    with Browser("--disable-3d-apis", "--disable-gpu", size=VIEW) as browser:
        browser.open(quick)
        assert browser.ask("viewer.ready") is False
        assert "no WebGL 2" in browser.ask("document.getElementById('message').textContent")
        where = "getComputedStyle(document.getElementById('flat')).backgroundPositionX"
        before = browser.ask(where)
        for kind, x in (("mousePressed", 200), ("mouseMoved", 100), ("mouseReleased", 100)):
            browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=200, button="left", buttons=1, clickCount=1)
        assert browser.ask(where) != before
        assert browser.requests == [quick.as_uri()]
        assert browser.complaints == []


@pytest.mark.skipif(not HEADSET.exists(), reason="no pretend headset (iwer): make viewer installs it")
def test_a_headset_shows_each_eye_its_own_view_and_stays_in_the_box(quick):
    headset = (
        f"{HEADSET.read_text('utf-8')}; window.worn = new IWER.XRDevice(IWER.metaQuest3);"
        "worn.installRuntime({ forceInstall: true }); worn.stereoEnabled = true;"  # in place of Chromium's own
    )
    enter = "document.getElementById('headset').click()"

    def eyes() -> tuple[np.ndarray, np.ndarray]:
        with Image.open(io.BytesIO(browser.screenshot())) as image:
            both = np.asarray(image.convert("RGB"), np.float64)[20:-80]  # without the title and the controls
        return both[:, : VIEW[0] // 2], both[:, VIEW[0] // 2 :]

    with Browser(*DRAWS, size=VIEW) as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=headset)
        browser.open(quick)
        wait_for(lambda: browser.ask("document.getElementById('headset').hidden") is False)
        browser.call("Runtime.evaluate", expression=enter, userGesture=True)
        wait_for(lambda: psnr(*eyes()) > 16)  # two of the same place
        left, right = eyes()
        assert psnr(left, right) < 30
        browser.ask("worn.position.x += 1.5")  # far out of the box
        wait_for(lambda: eyes()[0].mean() < 0.5 * left.mean())
        far = eyes()[0]
        browser.ask("worn.position.x += 1")
        time.sleep(0.5)
        assert psnr(eyes()[0], far) > 40
        assert browser.complaints == []
