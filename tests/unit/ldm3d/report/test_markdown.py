"""The Markdown says what the page says, and text in it stays text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ldm3d.report.blocks import clean
from ldm3d.report.document import document
from ldm3d.report.markdown import markdown
from ldm3d.results.notation import NONE
from ldm3d.results.verdict import verdicts
from tests.builders.report_results import evaluation, result, sweep

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OURS = {"text", "softbreak", "strong_open", "strong_close", "image"}
HOSTILE = [
    "a | b || c",
    "`code` ``more``",
    "<script>alert(1)</script><img src=x onerror=y>",
    "[link](javascript:alert(1)) ![image](http://x)",
    "line\nbreak\r\n# heading\n\n| a | b |\n|---|---|",
    "*a* _b_ **c** ~~d~~ \\ \\| \\\\",
    "&lt;b&gt; &amp; &#60;",
    "# heading",
    "1. one",
    "12) twelve",
    "- item",
    "+ item",
    "---",
    "===",
    "> quote",
    "```\nfence",
    "<https://example.com> [ref]: /url",
    "    indented",
    "$x^2$",
    "half \ud800 \x00",
]


def rendered(of, **more) -> str:
    return markdown(document(of, verdicts(of.results, of.history, 2.0)), **more)


def inline(text: str):
    """Every inline token of a document."""
    return [child for token in PARSER.parse(text) if token.type == "inline" for child in token.children]


def tables(text: str) -> list[list[list[str]]]:
    found: list[list[list[str]]] = []
    for before, token in zip([None, *PARSER.parse(text)], PARSER.parse(text), strict=False):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and before.type in ("td_open", "th_open"):
            found[-1][-1].append("".join(child.content for child in token.children))
    return found


def plain(text: str) -> str:
    return " ".join(clean(text).split())


def with_text(text: str):
    return evaluation(
        [result("fid", 20.0, pictures=text)],
        [result("fid", 30.0, pictures=text, run="before", settings={"was": text})],
        title=text,
        left_out=[text],
        about={text: {"fact": text}},
    )


def assert_text(document: str) -> None:
    assert {token.type for token in inline(document)} <= OURS
    blocks = {token.type.removesuffix("_open").removesuffix("_close") for token in PARSER.parse(document)}
    wanted = {"heading", "paragraph", "inline", "blockquote", "bullet_list", "list_item"}
    assert blocks <= wanted | {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_any_origin_is_text(text):
    document = rendered(with_text(text))
    assert_text(document)
    (about,) = [table for table in tables(document) if table[0][0] == "Set"]
    assert about[1] == [plain(text), plain(text)]


@settings(max_examples=60)
@given(st.text(st.one_of(st.characters(), st.sampled_from("|\\`*_[]()<>&#!~\n-+=.1")), max_size=60))
def test_no_text_becomes_markup(text):
    document = rendered(with_text(text))
    assert_text(document)
    (about,) = [table for table in tables(document) if table[0][0] == "Set"]
    assert [" ".join(cell.split()) for cell in about[1]] == [" ".join(plain(text).split())] * 2


@pytest.mark.parametrize(
    "text", ["see https://example.com/x", "www.example.com", "a@example.com", "HTTP://EXAMPLE.COM"]
)
def test_addresses_do_not_become_links_by_themselves(text):
    line = next(line for line in rendered(evaluation([], left_out=[text])).splitlines() if line.startswith("- "))
    assert not re.search(r"(?i)(https?:/|www\.|\w@)", line)
    assert "".join(token.content for token in inline(line)) == text


def test_tables_have_as_many_cells_in_every_row():
    found = tables(rendered(evaluation([result("clip", 26.614, 0.02, std=2.92, pictures="a|b")])))
    assert all(len({len(row) for row in table}) == 1 for table in found)
    (images,) = [table for table in found if table[0][:2] == ["Pictures", "CLIP ↑"]]
    assert images[1] == ["a|b", "26.61 ± 2.92 (SE 0.02)", "2,000", "0"]
    assert images[-1] == ["LDM3D (paper)", "26.61 ± 2.92", "30,000", NONE]


def test_pictures_are_named_where_they_lie():
    of = evaluation(sweep("guidance_scale", [3.0, 5.0], "clip"), images={"samples": b"PNG", "depth": b"PNG"})
    pictures = [token.attrs["src"] for token in inline(rendered(of, folder="my plots")) if token.type == "image"]
    assert pictures == ["my%20plots/samples.png", "my%20plots/figure-6-guidance-scale.png", "my%20plots/depth.png"]


def test_by_itself_it_looks_for_pictures_in_plots():
    assert "](plots/samples.png)" in rendered(evaluation([], images={"samples": b"PNG"}))


def test_the_verdict_comes_first():
    of = evaluation([result("fid", 20.0)], [result("fid", 10.0, run="before", started="2026-05-01T00:00:00+0000")])
    lines = rendered(of).splitlines()
    assert lines[0] == "# An evaluation"
    assert lines[4].startswith("> **Worse.** 1 number: 1 worse. Compared with run before")
