"""The page is complete and self-contained, and runs nothing, whatever names it shows."""

import base64
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.figures.plots import plots
from ldm3d.report.blocks import clean
from ldm3d.report.document import document
from ldm3d.report.page import page
from ldm3d.results.notation import NONE
from ldm3d.results.verdict import Pairing, pinned, verdicts
from tests.builders.report_results import evaluation, result, sweep

TAGS = (
    {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "nav", "a", "div", "strong", "b"}
    | {"small", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "figure", "figcaption", "img"}
    | {"details", "summary"}
)
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "href", "id", "scope", "src", "alt"}
VOID = {"meta", "img"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "<!--",
    "&lt;script&gt;",
    "javascript:alert(1)",
    "a\x00b\x1b\u202egnp.exe",
    "half a pair \ud800",
    "{{7*7}} {0} %s",
]


class Reader(HTMLParser):
    """Collects every tag, its attributes, and all text. Tags have to be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.odd: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.texts.append(data)

    def handle_comment(self, data):
        self.odd.append(data)

    def handle_pi(self, data):
        self.odd.append(data)

    def unknown_decl(self, data):
        self.odd.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(of, tolerance: float = 2.0, drawn=None) -> Reader:
    return Reader(page(document(of, verdicts(of.results, of.history, tolerance), drawn)))


def hostile(text: str):
    """Make an evaluation with a text wherever it takes one."""
    return evaluation(
        [result("fid", 20.0, pictures=text, run=text, started=text, scheduler=text, settings={text: text})],
        [
            result("fid", 30.0, pictures=text, run="before", started=text, scheduler=text, settings={text: text}),
            result("fid", 30.0, pictures=text, run=f"before {text}", settings={text: "was"}),
        ],
        title=text,
        run=text,
        started=text,
        left_out=[text],
        about={text: {text: text, "number": 1, "inner": {text: [text]}}},
        images={"samples": b"PNG"},
    )


def assert_harmless(found: Reader) -> None:
    assert {tag for tag, _ in found.tags} <= TAGS
    assert {name for _, attributes in found.tags for name in attributes} <= ATTRIBUTES
    assert all(each["src"].startswith("data:image/png;base64,") for each in found.all("img"))
    assert all(each["href"].startswith("#") for each in found.all("a"))
    assert found.odd == []


@pytest.fixture(scope="module")
def whole():
    """An evaluation with something in every section."""
    now = [
        *sweep("guidance_scale", [3.0, 5.0]),
        *sweep("guidance_scale", [3.0, 5.0], "inception_score", std=0.5),
        *sweep("num_inference_steps", [20, 50]),
        *sweep("guidance_scale", [3.0, 5.0], "clip", std=2.9),
        *sweep("training_step", [1_000, 2_000]),
        result("abs_rel", 0.1, 0.01),
        result("rfid", 1.9, 0.01, pictures="autoencoder"),
    ]
    before = [
        *sweep("guidance_scale", [3.0], run="before", started="2026-05-01T00:00:00+0000"),
        result("abs_rel", 0.05, 0.01, run="before", started="2026-05-01T00:00:00+0000"),
        result("rfid", 1.9, 0.01, pictures="autoencoder", run="before", settings={"other": 1}),
    ]
    pictures = {"samples": b"\x89PNG samples", "depth": b"\x89PNG depth"}
    about = {"set": {"url": "s3://bucket/set", "pictures": 2_000}}
    return evaluation(now, before, left_out=["KID: nobody asked."], about=about, images=pictures)


@pytest.fixture(scope="module")
def drawn(whole):
    return plots(whole)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_any_origin_is_text(text):
    of = hostile(text)
    found = read(of, drawn=dict.fromkeys(plots(of), b"PNG"))
    assert_harmless(found)
    assert clean(text) in found.texts


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_no_text_becomes_markup(text):
    of = evaluation([result("fid", 20.0, pictures=text)], title=text, left_out=[text], about={text: {text: text}})
    found = read(of)
    assert_harmless(found)
    assert {tag for tag, _ in found.tags} == {tag for tag, _ in read(of).tags}


@settings(deadline=None)
@given(st.text(st.characters(categories=["Cs", "Cc", "L", "P"]), max_size=20))
def test_the_page_can_always_be_written(text):
    page(document(evaluation([], title=text), [])).encode("utf-8")


def test_the_policy_forbids_all_but_its_own_style_and_pictures(whole, drawn):
    (policy,) = [each["content"] for each in read(whole, drawn=drawn).all("meta") if "http-equiv" in each]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["style-src"] == "'unsafe-inline'"
    assert "script-src" not in rules


def test_the_style_fetches_nothing(whole, drawn):
    style = page(document(whole, [], drawn)).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_every_figure_is_in_the_page_with_an_alternative_text(whole, drawn):
    pictures = read(whole, drawn=drawn).all("img")
    shown = {base64.b64decode(each["src"].partition(",")[2]) for each in pictures}
    assert shown == {*drawn.values(), *whole.images.values()}
    assert {name.partition("-")[0] for name in drawn} == {"figure", "history"}
    assert len([name for name in drawn if name.startswith("figure")]) == 4
    assert all(each["alt"] for each in pictures)


def test_the_page_draws_what_nobody_drew():
    assert page(document(evaluation(sweep("guidance_scale", [3.0, 5.0], "clip")), [])).count("<img") == 1


def test_the_verdict_comes_first(whole, drawn):
    texts = read(whole, drawn=drawn).texts
    place = texts.index("Worse")
    assert place < texts.index("What changed") < texts.index("KID: nobody asked.")
    assert "before" in texts[place + 1]
    assert texts[place + 1].strip().startswith("12 numbers: 1 worse, ")


def test_an_unchanged_run_says_so():
    of = evaluation([result("fid", 20.0)], [result("fid", 20.1, run="before")])
    assert "Unchanged" in read(of).texts
    assert "First run: nothing to compare with yet" in read(evaluation([result("fid", 20.0)])).texts


def test_a_change_has_its_error_and_says_whether_pictures_were_paired():
    of = evaluation(
        [result("clip", 26.0), result("abs_rel", 0.1), result("fid", 20.0)],
        [result(metric, 26.5, run="before") for metric in ("clip", "abs_rel", "fid")],
    )
    pairings = {"clip": Pairing(0.125, 1_990), "abs_rel": Pairing(why_not="nobody knows")}
    judged = verdicts(of.results, of.history, 2.0, lambda now, _: pairings.get(now.metric))
    texts = Reader(page(document(of, judged))).texts
    place = texts.index("-0.50 ± 0.12")
    assert texts[place + 1 : place + 3] == ["1,990", "0.25"]
    assert "nobody knows" in texts
    assert "-6.50 ± 0.71" in texts  # both errors of FID


def test_a_baseline_is_named_and_the_run_before_stands_beside_it():
    started = "2026-05-01T00:00:00+0000"
    history = [
        result("fid", 10.0, run="pinned", started="2026-04-01T00:00:00+0000"),
        result("fid", 19.9, run="before", started=started),
        result("kid", 0.1, run="before", started=started),
    ]
    of = evaluation([result("fid", 20.0), result("kid", 0.1)], history, baseline="pinned")
    latest = verdicts(of.results, of.history, 2.0)
    judged = pinned(verdicts(of.results, history[:1], 2.0), latest)
    texts = Reader(page(document(of, judged, latest=latest))).texts
    place = texts.index("Worse")
    assert "Compared with the baseline, run pinned of 2026-04-01" in texts[place + 1]
    assert "what it does not have is compared with the last run" in texts[place + 1]
    place = texts.index("Beside the baseline: what changed since the run before")
    assert f"2 numbers: 2 the same. Compared with run before of {started}." in texts[place + 1]


def test_what_cannot_be_compared_says_why(whole, drawn):
    assert any(f"settings.other: 1 → {NONE}" in text for text in read(whole, drawn=drawn).texts)


def test_protocols_are_there_in_full(whole, drawn):
    texts = read(whole, drawn=drawn).texts
    for setting in ("settings.resize", "names.reference", "drawn_with.guidance_scale", "pictures.keys", "size"):
        assert setting in texts
    assert any(whole.results[0].protocol in text for text in texts)


def test_surrogates_are_marked_wherever_they_stand():
    results = sweep("guidance_scale", [3.0, 5.0])
    history = sweep("guidance_scale", [3.0], run="before", started="2026-05-01T00:00:00+0000")
    found = read(evaluation(results, history, surrogate=["fid"]))
    named = [text for text in found.texts if text.startswith("FID") and "against" not in text and "over" not in text]
    assert len(named) > 3
    assert all("(surrogate)" in text for text in named)
    assert "SD v1.4" not in found.texts


def test_sections_without_content_are_left_out():
    texts = read(evaluation([result("fid", 20.0)])).texts
    assert "Pictures" in texts
    for heading in ("Sweeps", "Depth", "Autoencoders", "History", "Not computed", "What was measured"):
        assert heading not in texts


def test_nothing_at_all_is_a_page_too():
    assert "No number was computed." in " ".join(read(evaluation([])).texts)
