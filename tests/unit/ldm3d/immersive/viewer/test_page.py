"""A page is whole, holds what it was given, and nothing in a title or a fact is more than text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ldm3d.immersive.background import Background, flood
from ldm3d.immersive.viewer.page import viewer_html
from ldm3d.toy import room

HOSTILE = "</title></script><script>alert(1)</script><!-- <svg onload='alert(2)'> {{script}} \" & \0 \ud800"


class Elements(HTMLParser):
    """The elements of a page, with their attributes and text, and its comments."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.comments: list[str] = []
        self.is_inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        self.is_inside = True

    def handle_endtag(self, tag: str) -> None:
        self.is_inside = False

    def handle_data(self, data: str) -> None:
        if self.is_inside:
            self.found[-1][2].append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.found if name == tag]


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    return room.panorama(64)


def test_a_panorama_of_1024_columns_is_less_than_a_megabyte_with_its_background():
    picture, distance = room.panorama(512)
    assert len(viewer_html(picture, distance, background=flood(picture, distance)).encode()) < 1_000_000


def test_nothing_is_loaded_from_anywhere(scene):
    text = viewer_html(*scene, background=flood(*scene))
    for _, attributes, _ in Elements(text).found:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "data:,").startswith("data:")
    style = Elements(text).all("style")[0][1]
    assert "url(" not in style
    assert "@import" not in style


def test_only_its_own_script_and_style_may_run(scene):
    page = Elements(viewer_html(*scene, title=HOSTILE))
    policy = next(each["content"] for each, _ in page.all("meta") if each.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    scripts = [text for attributes, text in page.all("script") if "type" not in attributes]
    for text in [*scripts, page.all("style")[0][1]]:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert len(scripts) == 1
    assert "Copyright (c) 2010-2026 three.js authors" in scripts[0]
    assert not re.search("</script|<script|<!--", scripts[0])


def test_a_title_and_facts_are_text(scene):
    plain = Elements(viewer_html(*scene, title="A room", facts={"a": "b"}))
    page = Elements(viewer_html(*scene, title=HOSTILE, facts={HOSTILE: HOSTILE}))
    assert [tag for tag, _, _ in page.found] == [tag for tag, _, _ in plain.found]
    assert page.comments == []
    shown = HOSTILE.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\ud800", "?")
    assert page.all("h1")[0][1] == page.all("dt")[0][1] == page.all("dd")[0][1] == shown
    assert [text.strip() for _, text in page.all("title")] == [shown]


def test_the_page_is_the_same_whatever_the_order_of_calls(scene):
    assert viewer_html(*scene, title="A") == viewer_html(*scene, title="A")


def test_facts_of_any_kind_are_shown(scene):
    page = Elements(viewer_html(*scene, facts={"near": 1.5, "rule": {"name": "paper"}, "camera": "größer"}))
    facts = dict(zip((text for _, text in page.all("dt")), (text for _, text in page.all("dd")), strict=True))
    assert facts == {
        "near": "1.5",
        "rule": '{"name": "paper"}',
        "camera": "größer",
        "distances": "1.11 to 4.78 m",
    }


def test_what_is_hidden_is_there_if_it_was_given_and_stretches_the_range(scene):
    picture, distance = scene
    far = np.full_like(distance, np.nan)
    far[10:20, 10:20] = 99.0
    far[30, 30] = 0.1  # nearer than anything: not possible, and taken for the nearest
    hidden = Background(picture, far, (far > 0).astype(np.int64))
    for background in (None, hidden):
        page = Elements(viewer_html(picture, distance, background=background))
        description = json.loads(next(text for attributes, text in page.all("script") if "type" in attributes))
        assert description["near"] == distance.min()
        assert ("hidden" in description) == (background is not None)
        assert description["far"] == (99.0 if background else distance.max())
        assert len(page.all("img")) == (2 if background else 1)


def test_nothing_hidden_and_places_without_a_surface_are_fine(scene):
    picture, distance = scene
    known = distance.copy()
    known[:8] = np.nan
    assert "NaN" not in viewer_html(picture, known, background=flood(picture, distance, reach=0))[-2_000:]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"picture": np.zeros((64, 64, 3), np.uint8)}, "distances are"),
        ({"picture": np.zeros((64, 128), np.uint8)}, "the picture is"),
        ({"distance": np.zeros((64, 128))}, "not all above 0"),
        ({"distance": np.zeros(3)}, "distances are"),
        ({"quality": 0}, "quality is 0"),
        ({"quality": 101}, "quality is 101"),
        ({"grid": 7}, "grid is 7"),
        ({"facts": {"a": object()}}, "what JSON can hold"),
        ({"facts": {"a": float("nan")}}, "what JSON can hold"),
        ({"background": flood(*room.panorama(32))}, "the background is"),
    ],
)
def test_what_cannot_be_shown_is_refused(scene, settings, complaint):
    arguments = {"picture": scene[0], "distance": scene[1], **settings}
    with pytest.raises(ValueError, match=complaint):
        viewer_html(arguments.pop("picture"), arguments.pop("distance"), **arguments)


def test_a_flat_picture_is_refused():
    with pytest.raises(ValueError, match="twice as wide as high"):
        viewer_html(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64)))
