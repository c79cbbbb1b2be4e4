"""The column that holds the pictures of a table is found, or named; URLs and paths are not taken for it."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import CorpusConfig, LabelConfig, SelectConfig
from ldm3d.schema import IMAGE
from pipelines.corpus.input import check_input
from pipelines.corpus.metadata import read_input

PNG = b"\x89PNG\r\n\x1a\n and so on"
HELD = pa.array([{"bytes": PNG, "path": None}, None], IMAGE)
NAMED = pa.array([{"bytes": None, "path": "p/1.jpg"}, {"bytes": None, "path": "p/2.jpg"}], IMAGE)
SOUND = pa.array([{"bytes": b"RIFF\0\0\0\0WAVE", "path": "1.wav"}, None], IMAGE)
BYTES = pa.array([None, PNG], pa.binary())
OTHER = pa.array([b"http://a.example/1", b"http://a.example/2"], pa.binary())
TEXT = ["a dog", "a cat"]
WEB = ["http://a.example/1.jpg", "http://a.example/2.jpg"]


def config(folder, **select) -> CorpusConfig:
    policy = SelectConfig(**({"nsfw": ("any",)} | select))
    return CorpusConfig(input=str(folder), output=str(folder / "out"), select=policy)


def written(folder, name: str = "m.parquet", **columns):
    pq.write_table(pa.table(columns), folder / name)
    return folder


@pytest.mark.parametrize(
    ("columns", "image"),
    [
        ({"image": HELD, "text": TEXT}, "image"),
        ({"Image": HELD, "text": TEXT}, "Image"),
        ({"what": HELD, "text": TEXT}, "what"),
        ({"what": BYTES, "text": TEXT}, "what"),
        ({"what": NAMED, "text": TEXT}, "what"),
        ({"other": HELD, "image": BYTES, "text": TEXT}, "image"),
        ({"sound": SOUND, "what": HELD, "text": TEXT}, "what"),
        ({"image": pa.nulls(2, IMAGE), "text": TEXT}, "image"),
        ({"jpg": BYTES, "url": WEB, "caption": TEXT}, "jpg"),  # as img2dataset writes parquet
        ({"URL": WEB, "TEXT": TEXT, "thumb": HELD}, None),
        ({"file_name": WEB, "text": TEXT, "thumb": BYTES}, None),
        ({"image": OTHER, "text": TEXT}, None),
        ({"image": WEB, "text": TEXT}, None),
    ],
)
def test_the_column_is_found_by_type_name_and_content(tmp_path, columns, image):
    found = read_input(config(written(tmp_path, **columns)))
    assert found.columns.image == image
    assert (found.columns.url is None) == (not columns.keys() & {"url", "URL", "file_name"} and image is not None)
    assert (found.picture_bytes > 0) == (image is not None)
    assert (found.content.get("image_column")) == image


def test_what_is_found_and_what_is_passed_over_is_told(tmp_path, caplog):
    caplog.set_level("INFO")
    read_input(config(written(tmp_path, image=HELD, mask=HELD, text=TEXT)))
    assert "columns that are read: text as caption, image as image" in caplog.text
    assert (
        "the column image holds the pictures: those that are selected are first copied into the output" in caplog.text
    )
    assert "columns that look useful are not read: mask (for image)" in caplog.text


def test_a_column_that_is_named_comes_first(tmp_path):
    written(tmp_path, image=HELD, mask=BYTES, url=WEB, text=TEXT)
    assert read_input(config(tmp_path, image_column="mask")).columns.image == "mask"
    for named in ({"url_column": "url"}, {"columns": "coyo"}):
        found = read_input(config(tmp_path, **named)).columns
        assert (found.image, found.url) == (None, "url")


def test_depth_is_not_taken_for_the_picture(tmp_path):
    written(tmp_path, image=WEB, depth=HELD, text=TEXT)
    settings = replace(config(tmp_path), label=LabelConfig(column="depth", predicts="depth"))
    found = read_input(settings).columns
    assert (found.image, found.url, found.depth) == (None, "image", "depth")


@pytest.mark.parametrize(
    ("select", "message"),
    [
        (
            {"image_column": "text"},
            r"--select\.image-column 'text': the column holds no pictures, wanted .*\['image'\]",
        ),
        (
            {"image_column": "imagee"},
            r"--select\.image-column imagee: no such column.*Add: --select\.image-column image$",
        ),
        (
            {"url_column": "image"},
            r"column 'image' holds pictures, wanted their URLs or paths\..*--select\.image-column",
        ),
        ({"url_column": "image", "image_column": "image"}, r"are both 'image', .*leave one of the two out"),
    ],
    ids=str,
)
def test_a_column_of_another_kind_is_refused(tmp_path, select, message):
    with pytest.raises(ValueError, match=message):
        read_input(config(written(tmp_path, image=HELD, text=TEXT), **select))


def test_other_files_than_parquet_have_no_such_column(tmp_path):
    (tmp_path / "m.csv").write_text("image,text\na.jpg,a dog\n")
    with pytest.raises(ValueError, match=r"--select\.image-column 'image': columns of parquet files .*read as csv"):
        read_input(config(tmp_path, image_column="image"))


def test_places_that_the_cells_name_must_be_allowed(tmp_path):
    far = pa.array([{"bytes": None, "path": f"/data/{number}.jpg"} for number in range(2)], IMAGE)
    with pytest.raises(ValueError, match=r"neither on the web nor below it.*Add: --download\.files-under /data$"):
        read_input(config(written(tmp_path, image=far, text=TEXT)))


def test_every_table_must_hold_its_pictures_alike(tmp_path):
    written(tmp_path, "a.parquet", image=HELD, caption=TEXT)
    written(tmp_path, "b.parquet", image=BYTES, caption=TEXT)
    assert read_input(config(tmp_path)).rows == 4
    written(tmp_path, "c.parquet", url=WEB, caption=TEXT)
    with pytest.raises(ValueError, match=r"c\.parquet provides \['url', 'caption'\], but a\.parquet provides"):
        read_input(config(tmp_path))


def test_the_column_is_part_of_what_decides_which_rows_come_out(tmp_path):
    found = check_input(replace(config(written(tmp_path, image=HELD, text=TEXT)), output=str(tmp_path.parent / "out")))
    assert found.identity["image_column"] == "image"
