"""Pictures in a column of a table: what a cell holds or names, and what rows without a URL are called."""

import pyarrow as pa
import pytest

from ldm3d.config import SelectConfig
from ldm3d.keys import make_key
from ldm3d.rows.columns import Columns, recognise
from ldm3d.rows.embedded import Place, begins_like_a_picture, cells, is_pictures, may_hold_pictures
from ldm3d.rows.selection import select
from ldm3d.schema import IMAGE

LARGE = pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary()), ("more", pa.int32())])


@pytest.mark.parametrize("kind", [IMAGE, LARGE], ids=str)
def test_a_cell_in_the_form_of_datasets_holds_a_picture_or_names_its_file(kind):
    values = [
        {"bytes": b"one", "path": "1.png"},
        {"bytes": None, "path": "a/2.png"},
        {"bytes": None, "path": None},
        {"bytes": b"", "path": None},
        None,
    ]
    contents, paths = cells(pa.table({"image": pa.array(values, kind)}), "image")
    assert contents.to_pylist() == [b"one", None, None, b"", None]
    assert paths.to_pylist() == [None, "a/2.png", None, None, None]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())], ids=str)
def test_a_cell_of_bytes_is_the_picture(kind):
    contents, paths = cells(pa.table({"image": pa.array([b"one", None], pa.binary()).cast(kind)}), "image")
    assert contents.to_pylist() == [b"one", None]
    assert paths.null_count == 2


def test_a_cell_of_text_names_a_file_and_one_of_numbers_nothing():
    table = pa.table({"text": ["a/1.png", None], "number": [1, 2], "half": [{"bytes": b"x"}, None]})
    assert [each.to_pylist() for each in cells(table, "text")] == [[None, None], ["a/1.png", None]]
    assert [each.to_pylist() for each in cells(table, "number")] == [[None, None], [None, None]]
    assert [each.to_pylist() for each in cells(table, "half")] == [[b"x", None], [None, None]]


@pytest.mark.parametrize(
    ("kind", "may", "form"),
    [
        (IMAGE, True, True),
        (LARGE, True, True),
        (pa.struct([("bytes", pa.string()), ("path", pa.string())]), False, False),
        (pa.struct([("path", pa.string())]), False, False),
        (pa.binary(), True, False),
        (pa.binary(3), True, False),
        (pa.dictionary(pa.int32(), pa.binary()), True, False),
        (pa.string(), False, False),
        (pa.list_(IMAGE), False, False),
    ],
    ids=str,
)
def test_pictures_are_bytes_or_in_the_form_of_datasets(kind, may, form):
    assert (may_hold_pictures(kind), is_pictures(kind)) == (may, form)


@pytest.mark.parametrize(
    ("content", "is_picture"),
    [
        (b"\xff\xd8\xff\xe0", True),
        (b"\x89PNG\r\n\x1a\n", True),
        (b"RIFF\0\0\0\0WEBPVP8 ", True),
        (b"RIFF\0\0\0\0WAVEfmt ", False),
        (b"BM\x36\0\0\0\0\0\0\0", True),
        (b"BMW and other cars", False),
        (b"\0\0\0\x20ftypavif", True),
        (b"\0\0\0\x20ftypisom", False),
        (b"http://a.example/1.jpg", False),
        (b"", False),
    ],
)
def test_bytes_of_pictures_are_told_from_others_by_how_they_begin(content, is_picture):
    assert begins_like_a_picture(content) == is_picture


def test_a_row_without_a_url_is_called_by_its_place_and_its_key_follows_from_it():
    table = pa.table({"url": ["http://a.example/1", "", None, "http://me:secret@b/"], "t": ["a dog"] * 4})
    place = Place("data/a@b.parquet", 7)
    columns = Columns(url="url", caption="t", image="image")
    rows = select(table, columns, SelectConfig(nsfw=("any",)), place=place).to_pylist()
    names = ["http://a.example/1", "data/a@b.parquet/8", "data/a@b.parquet/9", "http://***@b/"]
    assert [row["url"] for row in rows] == names
    assert [row["key"] for row in rows[:3]] == [make_key(name) for name in names[:3]]
    assert [(row["table"], row["row"]) for row in rows] == [("data/a@b.parquet", 7 + number) for number in range(4)]
    assert {row["reason"] for row in rows} == {""}
    without = select(table, Columns(url=None, caption="t", image="image"), SelectConfig(nsfw=("any",)), place=place)
    assert without["url"].to_pylist() == [f"data/a@b.parquet/{7 + number}" for number in range(4)]


@pytest.mark.parametrize(
    ("names", "url", "caption"),
    [
        (["image", "text"], None, "text"),
        (["image", "caption", "url"], "url", "caption"),
        (["image", "description", "IMAGE_URL"], "IMAGE_URL", "description"),
        (["image", "prompt", "file_name"], None, "prompt"),  # names of files need not differ between tables
        (["image", "URL", "TEXT", "similarity"], "URL", "TEXT"),
    ],
)
def test_where_a_table_holds_pictures_a_column_of_urls_is_not_needed_but_names_them(names, url, caption):
    columns = recognise(names, own={"image": "image"})
    assert (columns.image, columns.url, columns.caption) == ("image", url, caption)


def test_a_caption_is_needed_all_the_same():
    with pytest.raises(ValueError, match=r"no column of \['label'\] is known to hold its caption"):
        recognise(["image", "label"], own={"image": "image"})
