"""What is said of a row that the selection rejects: what it has, and what was wanted."""

import pyarrow as pa
import pytest

from ldm3d.config import SelectConfig
from ldm3d.rows.columns import PUBLISHERS, Columns
from ldm3d.rows.selection import select

GOOD = {
    "URL": "http://a.example/1.jpg",
    "TEXT": "a red sphere",
    "HEIGHT": 600,
    "WIDTH": 800,
    "NSFW": "UNLIKELY",
    "similarity": 0.35,
}


def said(policy: dict, **changes) -> str:
    """The detail of a good row with some changes, and its reason before it."""
    table = pa.Table.from_pylist([GOOD | changes])
    (row,) = select(table, PUBLISHERS["laion400m"], SelectConfig(**policy)).to_pylist()
    return f"{row['reason']}: {row['detail']}"


@pytest.mark.parametrize(
    ("policy", "changes", "line"),
    [
        ({}, {}, ": "),
        ({}, {"URL": None}, "invalid_row: the column URL is empty, or holds no text"),
        ({}, {"TEXT": None}, "invalid_row: the column TEXT is empty, or holds no text"),
        ({"nsfw": ("UNSAFE",)}, {}, "nsfw: nsfw is UNLIKELY, wanted UNSAFE"),
        ({"nsfw": ("UNLIKELY", "unsure")}, {"NSFW": None}, "nsfw: nsfw is unknown, wanted UNLIKELY or unsure"),
        ({}, {"NSFW": "x" * 99 + "\0"}, f"nsfw: nsfw is {'x' * 40}, wanted UNLIKELY"),
        ({}, {"NSFW": "a\nb"}, "nsfw: nsfw is a?b, wanted UNLIKELY"),
        ({"min_similarity": 0.3}, {"similarity": 0.2996}, "low_similarity: similarity is 0.29, wanted at least 0.3"),
        ({"min_similarity": 0.3}, {"similarity": None}, "low_similarity: similarity is unknown, wanted at least 0.3"),
        ({"min_size": 700}, {}, "too_small: a shorter side of 600 by the metadata, wanted 700"),
        ({}, {"WIDTH": -5}, "too_small: a shorter side of -5 by the metadata, wanted 1"),
        ({"max_aspect_ratio": 1.33}, {}, "bad_aspect_ratio: 1.4 : 1 by the metadata, wanted at most 1.33 : 1"),
        ({}, {"TEXT": " "}, "caption_too_short: a caption of 0 characters, wanted at least 1"),
        ({"max_caption_chars": 5}, {}, "caption_too_long: a caption of 12 characters, wanted at most 5"),
    ],
)
def test_a_detail_says_what_the_row_has_and_what_was_wanted(policy, changes, line):
    assert said(policy, **changes) == line


def test_the_first_rule_that_a_row_breaks_gives_reason_and_detail():
    assert said({"min_size": 700}, NSFW="NSFW").startswith("nsfw: nsfw is NSFW")


def test_a_table_that_knows_why_there_is_no_caption_says_it():
    table = pa.table({"u": ["a", "b"], "c": pa.array([None, None], pa.string()), "why": ["no .txt", None]})
    rows = select(table, Columns(url="u", caption="c", fault="why"), SelectConfig())
    assert rows["detail"].to_pylist() == ["no .txt", "the column c is empty, or holds no text"]


def test_a_million_different_numbers_make_few_different_details():
    count = 5_000
    values = {"similarity": [number / count * 0.3 for number in range(count)]}
    table = pa.table({name: values.get(name, [value] * count) for name, value in GOOD.items()})
    rows = select(table, PUBLISHERS["laion400m"], SelectConfig(min_similarity=0.3))
    assert set(rows["reason"].to_pylist()) == {"low_similarity"}
    assert len(set(rows["detail"].to_pylist())) == 30
