"""The policy, row by row; bad rows are judged, never raised."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.config import SelectConfig
from ldm3d.keys import make_key
from ldm3d.reject import Reason
from ldm3d.rows.columns import PUBLISHERS, Columns, recognise
from ldm3d.rows.metadata import depth_cells
from ldm3d.rows.selection import drop_url_duplicates, select
from ldm3d.schema import IMAGE

LAION = PUBLISHERS["laion400m"]
GOOD = {
    "SAMPLE_ID": 1,
    "URL": "http://a.example/1.jpg",
    "TEXT": "a red sphere",
    "HEIGHT": 600,
    "WIDTH": 800,
    "LICENSE": "?",
    "NSFW": "UNLIKELY",
    "similarity": 0.35,
}


def judged(config: SelectConfig | None = None, **changes) -> tuple[str, dict]:
    """The reason that a good row with some changes gets, and the row."""
    table = pa.Table.from_pylist([GOOD | changes])
    row = select(table, LAION, config or SelectConfig()).to_pylist()[0]
    return row["reason"], row


def test_a_good_row_passes():
    assert judged()[0] == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"URL": None}, Reason.INVALID_ROW),
        ({"URL": ""}, Reason.INVALID_ROW),
        ({"TEXT": None}, Reason.INVALID_ROW),
        ({"TEXT": " \t\n"}, Reason.CAPTION_TOO_SHORT),
        ({"TEXT": "x" * 1_000_000}, Reason.CAPTION_TOO_LONG),
        ({"NSFW": "NSFW"}, Reason.NSFW),
        ({"NSFW": "nsfw"}, Reason.NSFW),
        ({"NSFW": None}, Reason.NSFW),
        ({"WIDTH": 0}, Reason.TOO_SMALL),
        ({"WIDTH": -5}, Reason.TOO_SMALL),
        ({"WIDTH": 100}, Reason.BAD_ASPECT_RATIO),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(changes, reason):
    assert judged(**changes)[0] == reason


def test_unknown_size_is_left_for_the_image_to_tell():
    assert judged(SelectConfig(min_size=512), WIDTH=None, HEIGHT=None)[0] == ""


def test_unknown_similarity_fails_a_similarity_policy():
    assert judged(SelectConfig(min_similarity=0.3), similarity=None)[0] == Reason.LOW_SIMILARITY
    assert judged(SelectConfig(min_similarity=0.3), similarity=float("nan"))[0] == Reason.LOW_SIMILARITY
    assert judged(SelectConfig(min_similarity=0.3), similarity=0.2)[0] == Reason.LOW_SIMILARITY
    assert judged(SelectConfig(min_similarity=0.3), similarity=0.3)[0] == ""


def test_the_nsfw_policy_can_be_switched_off_by_name_only():
    assert judged(SelectConfig(nsfw=("any",)), NSFW=None)[0] == ""
    with pytest.raises(ValueError, match=r"select\.nsfw"):
        SelectConfig(nsfw=())


@pytest.mark.parametrize("word", ["unlikely", "UNLIKELY", "Unlikely", "any", "ANY"])
def test_a_policy_word_may_be_in_any_case(word):
    assert judged(SelectConfig(nsfw=(word,)))[0] == ""
    assert judged(SelectConfig(nsfw=(word,)), NSFW="unlikely")[0] == ""


def test_control_characters_leave_the_caption():
    assert judged(TEXT="a\x00 red\r\n\x1b[31m sphere\u2028")[1]["caption"] == "a  red [31m sphere"


def test_of_several_captions_in_a_list_the_first_is_taken():
    lists = pa.array([["one", "two"], [None, "second"], [], None], pa.list_(pa.string()))
    place = list(GOOD).index("TEXT")
    for kind in (pa.list_(pa.string()), pa.large_list(pa.large_string())):
        table = pa.Table.from_pylist([GOOD] * 4).set_column(place, "TEXT", lists.cast(kind))
        rows = select(table, LAION, SelectConfig()).to_pylist()
        assert [row["caption"] for row in rows] == ["one", "second", "", ""]
        assert [row["reason"] for row in rows] == ["", "", Reason.INVALID_ROW, Reason.INVALID_ROW]


def unchecked(*values: bytes) -> pa.Array:
    """Strings that nobody has checked to be UTF-8, as parquet readers return them."""
    return pa.array(values, pa.binary()).view(pa.string())


KINDS = {
    "string": lambda values: values,
    "large_string": lambda values: values.cast(pa.binary()).cast(pa.large_binary()).view(pa.large_string()),
    "binary": lambda values: values.cast(pa.binary()),
    "dictionary": lambda values: values.dictionary_encode(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_byte_that_is_not_utf8_costs_its_row_alone(kind):
    table = pa.Table.from_pylist([GOOD] * 4)
    bad = {
        "URL": unchecked(b"http://a.example/\xff.jpg", b"http://b.example/\xc3\xbc.jpg", b"u", b"v"),
        "TEXT": unchecked(b"one", b"zwei \xe2\x98\x85", b"a \xed\xa0\x80 d\xe9pth", b"four"),
        "NSFW": unchecked(b"UNLIKELY", b"UNLIKELY", b"UNLIKELY", b"UNLIKELY\xff"),
    }
    for name, values in bad.items():
        table = table.set_column(table.column_names.index(name), name, KINDS[kind](values))
    rows = select(table, LAION, SelectConfig()).to_pylist()
    assert [row["reason"] for row in rows] == [Reason.INVALID_ROW, "", "", Reason.NSFW]
    assert (rows[0]["url"], rows[0]["key"]) == ("", 0)
    assert rows[1]["url"] == "http://b.example/ü.jpg"
    assert [row["caption"] for row in rows[1:]] == ["zwei ★", "a ��� d�pth", "four"]


def test_numbers_and_words_of_strange_types_are_unknown():
    odd = {
        "WIDTH": unchecked(b"\xff"),
        "HEIGHT": pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), unchecked(b"\xff")),
        "similarity": pa.array([2**62], pa.timestamp("s")),  # a year that Python does not have
        "NSFW": pa.array([["UNLIKELY"]]),
    }
    table = pa.Table.from_pylist([GOOD])
    for name, values in odd.items():
        table = table.set_column(table.column_names.index(name), name, values)
    (row,) = select(table, LAION, SelectConfig(nsfw=("any",))).to_pylist()
    assert (row["reason"], row["similarity"], row["nsfw"]) == ("", None, None)
    assert select(table, LAION, SelectConfig()).to_pylist()[0]["reason"] == Reason.NSFW


def test_of_rows_with_one_url_the_same_one_is_kept_in_any_order():
    rows = [GOOD | {"TEXT": caption, "URL": url} for caption, url in [("b", "u"), ("a", "u"), ("c", "v"), ("a", "u")]]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        table = select(pa.Table.from_pylist([rows[i] for i in order]), LAION, SelectConfig())
        unique, again = drop_url_duplicates(table)
        assert {(row["url"], row["caption"]) for row in unique.to_pylist()} == {("u", "a"), ("v", "c")}
        assert sorted(row["caption"] for row in again.to_pylist()) == ["a", "b"]


@pytest.mark.parametrize(
    ("column", "values", "kept"),
    [
        ("TEXT", ["a", "b"], {"caption": "a"}),
        ("similarity", [0.25, 0.5], {"similarity": 0.5}),
        ("NSFW", ["UNLIKELY", "UNSURE"], {"nsfw": "UNLIKELY"}),
    ],
)
def test_which_row_of_a_url_is_kept_is_a_function_of_the_rows(column, values, kept):
    """They come in either order, among other rows, so that an unstable sort would mix them up."""
    others = [GOOD | {"URL": f"http://b.example/{n}.jpg"} for n in range(100)]
    for order in (values, values[::-1]):
        table = pa.Table.from_pylist([*others, *(GOOD | {column: value} for value in order)])
        unique, again = drop_url_duplicates(select(table, LAION, SelectConfig(nsfw=("any",))))
        (row,) = (row for row in unique.to_pylist() if row["url"] == GOOD["URL"])
        assert row | kept == row
        assert again.num_rows == 1


def test_pictures_in_the_form_of_datasets_count_as_their_bytes_or_their_path():
    cells = [{"bytes": b"\x89PNG", "path": "a"}, {"bytes": None, "path": "b"}, {"bytes": None, "path": None}, None]
    table = pa.table({"own": pa.array(cells, IMAGE), "text": ["a", "ä", "", None]})
    assert depth_cells(table, "own").to_pylist() == [b"\x89PNG", b"b", None, None]
    assert depth_cells(table, "text").to_pylist() == [b"a", "ä".encode(), b"", None]


def test_of_rows_with_one_url_the_same_depth_is_kept_in_any_order():
    rows = pa.table({"URL": ["u", "u"], "TEXT": ["t", "t"], "own": ["b", "a"]})
    columns, config = Columns(url="URL", caption="TEXT", depth="own"), SelectConfig(nsfw=("any",))
    for order in ([0, 1], [1, 0]):
        kept, _ = drop_url_duplicates(select(rows.take(order), columns, config))
        assert kept["given_depth"].to_pylist() == [b"a"]


def test_rows_come_in_the_order_of_their_ranks():
    table = pa.Table.from_pylist([GOOD | {"URL": f"http://a.example/{n}.jpg", "TEXT": f"{n}"} for n in range(100)])
    ranks = drop_url_duplicates(select(table, LAION, SelectConfig()))[0]["rank"].to_pylist()
    assert ranks == sorted(ranks)


def test_a_password_in_a_url_is_left_out_and_the_key_is_that_of_the_whole():
    url = "http://user:secret@example.test/a.jpg"
    rows = select(pa.Table.from_pylist([GOOD | {"URL": url}]), LAION, SelectConfig()).to_pylist()
    assert (rows[0]["url"], rows[0]["key"]) == ("http://***@example.test/a.jpg", make_key(url))


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_every_publishers_columns_are_recognised(publisher):
    assert recognise([*PUBLISHERS[publisher].names(), "extra"]).names() == PUBLISHERS[publisher].names()


def test_of_publishers_the_one_with_most_of_its_columns_is_taken():
    columns = recognise(["URL", "TEXT", "similarity", "punsafe"])
    assert (columns.nsfw, columns.nsfw_is_score, columns.width) == ("punsafe", True, None)
    columns = recognise(["url", "text", "original_width", "original_height"])
    assert (columns.width, columns.nsfw) == ("original_width", None)


def test_unknown_columns_are_refused_with_what_they_should_hold():
    with pytest.raises(ValueError, match=r"\['anchor', 'alt'\] is known to hold the URL or path of a picture$"):
        recognise(["anchor", "alt"])


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["id", "Link", "Description"], ("Link", "Description")),
        (["file_name", "text"], ("file_name", "text")),  # Hugging Face's folders of pictures
        (["title", "caption", "path", "image_url"], ("image_url", "caption")),
    ],
)
def test_what_people_call_url_and_caption_is_recognised(names, found):
    columns = recognise(names)
    assert (columns.url, columns.caption) == found


def test_columns_that_are_named_take_precedence_over_the_publishers():
    names = ["URL", "TEXT", "blip", "NSFW", "rating", "WIDTH"]
    columns = recognise(names, own={"caption": "blip", "nsfw": "rating"})
    assert columns.names() == ["URL", "blip", "WIDTH", "rating"]
    assert recognise(["a", "b"], own={"url": "a", "caption": "b"}).names() == ["a", "b"]
    with pytest.raises(ValueError, match=r"--select\.url-column link: no such column; it has \['a', 'b'\]"):
        recognise(["a", "b"], own={"url": "link"})


def test_ratings_of_a_column_that_is_named_are_words_or_scores():
    columns = Columns(url="u", caption="c", nsfw="n", nsfw_is_score=None)
    for values, words in [
        ([0.01, 0.5, 0.99, None], ["UNLIKELY", "UNSURE", "NSFW", None]),
        (["unlikely", "NSFW", "0.05", "?"], ["unlikely", "NSFW", "UNLIKELY", "?"]),
    ]:
        table = pa.table({"u": ["u"] * 4, "c": ["c"] * 4, "n": values})
        assert select(table, columns, SelectConfig())["nsfw"].to_pylist() == words


def test_a_score_becomes_a_word_and_a_missing_score_none():
    columns = PUBLISHERS["laion5b"]
    table = pa.table(
        {
            "URL": ["u"] * 4,
            "TEXT": ["t"] * 4,
            "WIDTH": [1] * 4,
            "HEIGHT": [1] * 4,
            "similarity": [0.3] * 4,
            "punsafe": [0.01, 0.5, 0.99, None],
        }
    )
    assert select(table, columns, SelectConfig())["nsfw"].to_pylist() == ["UNLIKELY", "UNSURE", "NSFW", None]


VALUES = st.one_of(
    st.none(), st.text(max_size=20), st.integers(-(2**62), 2**62), st.floats(), st.binary(max_size=9), st.booleans()
)


@settings(max_examples=150)
@given(st.fixed_dictionaries({name: st.lists(VALUES, min_size=3, max_size=3) for name in LAION.names()}))
def test_rows_of_any_type_are_judged_and_none_is_lost(columns):
    arrays = {}
    for name, values in columns.items():
        kind = type(next((value for value in values if value is not None), None))
        arrays[name] = pa.array([value if type(value) is kind else None for value in values])
    rows = select(pa.table(arrays), LAION, SelectConfig())
    assert rows.num_rows == 3
    assert {reason for reason in rows["reason"].to_pylist() if reason} <= set(Reason)
    assert rows["url"].null_count == rows["caption"].null_count == rows["key"].null_count == 0
    assert (rows["key"].to_numpy()[np.array(rows["url"].to_pylist()) == ""] == 0).all()
