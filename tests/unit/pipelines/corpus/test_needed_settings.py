"""What must be set for a table of one's own is said at once, as flags that can be added as they are."""

import shlex
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.command import parse
from ldm3d.config import CorpusConfig, SelectConfig
from pipelines.corpus.metadata import read_input


def refused(folder, text, *flags) -> list[str]:
    """The flags that the refusal of a table proposes."""
    (folder / "own.csv").write_text(text)
    return proposed(config(folder, *flags))


def proposed(settings: CorpusConfig) -> list[str]:
    with pytest.raises(ValueError, match="Add: ") as error:
        read_input(settings)
    return shlex.split(str(error.value).partition("Add: ")[2])


def config(folder, *flags, name: str = "own.csv") -> CorpusConfig:
    words = ["--input", str(folder / name), "--output", str(folder / "out"), *flags]
    return parse(CorpusConfig, words).config


UNRATED = ("--select.nsfw", "any", "--select.min-similarity", "0")
TABLES = [
    "my link;my description\nhttp://a.example/1.jpg;a dog\n",
    "url,caption\ns3://bucket/pictures/1.jpg,a dog\n",
    "url,caption,nsfw rating,clip score\n/data/1.jpg,a dog,UNLIKELY,0.4\n",
    "anchor,words,n\nhttp://a.example/1.jpg,a dog,1\n",
    "image_id,text_id,place,what it shows\n7,8,/data/1.jpg,a dog\n",
]


@pytest.mark.parametrize("text", TABLES)
def test_with_the_flags_that_are_proposed_the_table_is_read(tmp_path, text):
    assert read_input(config(tmp_path, *refused(tmp_path, text))).rows == 1


@pytest.mark.parametrize(
    ("text", "url", "caption"),
    [
        (TABLES[3], "anchor", "words"),
        (TABLES[4], "place", "what it shows"),
        ("a,b,c\nnice,a/1.png,a dog on a bed\ngood,2.PNG,a cat\n", "b", "c"),  # the longest text
        ("a,captoin,c\ns3://b/1,a dog,a very long remark\n", "a", "captoin"),
        ("page,file id,alt text\nhttp://a.example/1,http://a.example/1.jpg,a dog\n", "file id", "alt text"),
        ("n,m\n1,2\n", "COLUMN", "COLUMN"),
    ],
)
def test_unknown_columns_are_guessed_by_what_they_hold_and_by_their_names(tmp_path, text, url, caption):
    flags = refused(tmp_path, text, *UNRATED)
    assert flags[:4] == ["--select.url-column", url, "--select.caption-column", caption]


def test_where_no_column_can_be_guessed_its_place_is_left_open_and_the_rest_is_said_at_once(tmp_path):
    assert refused(tmp_path, "n,m\n1,2\n") == [
        *("--select.url-column", "COLUMN", "--select.caption-column", "COLUMN", "--select.nsfw", "any"),
        *("--select.min-similarity", "0"),
    ]


def test_a_column_that_is_known_to_hold_the_one_is_not_proposed_for_the_other(tmp_path):
    assert refused(tmp_path, "link,n\na dog,1\n", *UNRATED) == ["--select.caption-column", "COLUMN"]
    flags = refused(tmp_path, "caption,n,remark\na long caption of a dog,1,a dog\n", *UNRATED)
    assert flags == ["--select.url-column", "COLUMN"]


def test_a_column_that_is_not_there_is_replaced_by_the_nearest(tmp_path):
    text = "photos,remark,score\n/data/1.jpg,a dog,0.4\n"
    given = ("--select.url-column", "photo", "--select.caption-column", "remarks", *UNRATED)
    assert refused(tmp_path, text, *given) == [
        *("--select.url-column", "photos", "--select.caption-column", "remark"),
        *("--download.files-under", "/data"),
    ]
    named = ("--select.url-column", "photos", "--select.caption-column", "remark", *UNRATED)
    with pytest.raises(ValueError, match=r"--select\.width-column wide: no such column; it has \[.*\]$"):
        read_input(config(tmp_path, "--select.width-column", "wide", *named))


def test_places_that_may_be_read_already_stay_in_what_is_proposed(tmp_path):
    text = "url,caption\n/data/1.jpg,a dog\n/data/2.jpg,a cat\n"
    given = ("--download.files-under", "/one", "s3://two", *UNRATED)
    assert refused(tmp_path, text, *given) == ["--download.files-under", "/one", "s3://two", "/data"]


def test_where_some_pictures_may_not_be_read_the_places_to_add_are_logged(tmp_path, caplog):
    (tmp_path / "own.csv").write_text(
        "url,caption\n/one/1.jpg,a dog\n/data/2.jpg,a cat\nhttp://a.example/3.jpg,a cow\n"
    )
    read_input(config(tmp_path, "--download.files-under", "/one", *UNRATED))
    assert "of its first 3 pictures, 1 are in places that may not be read" in caplog.text
    assert caplog.text.rstrip().endswith(
        "(/data/2.jpg first). Add, to read them, too: --download.files-under /one /data"
    )


def test_paths_below_the_table_and_urls_of_the_web_need_nothing(tmp_path, caplog):
    (tmp_path / "own.csv").write_text("file_name,text\na/1.jpg,a dog\n")
    found = read_input(config(tmp_path, *UNRATED))
    assert found.under == ()
    (tmp_path / "own.csv").write_text("file_name,text\na/1.jpg,a dog\nhttp://a.example/1.jpg,a cat\n")
    assert read_input(config(tmp_path, *UNRATED)).under == ()
    (tmp_path / "own.csv").write_text("url,text\nno url,a dog\nhttp://a.example/1.jpg,a cat\n")
    assert read_input(config(tmp_path, *UNRATED)).under is None
    assert caplog.text == ""


def test_settings_that_are_not_used_leave_the_identity_of_older_corpora(tmp_path):
    plain = CorpusConfig(input=str(tmp_path), output="out")
    assert not {"read", "url_column", "image_column", "nsfw_column"} & plain.identity()["select"].keys()
    assert "files_under" not in plain.identity()["download"]
    own = replace(plain, select=SelectConfig(url_column="link"))
    assert own.identity()["select"]["url_column"] == "link"


def test_of_several_columns_of_pictures_one_is_proposed_with_all_else_that_is_lacking(tmp_path):
    png = b"\x89PNG\r\n\x1a\n"
    table = pa.table({"left": [png], "right": [png], "n": [1], "what": ["a dog"]})
    pq.write_table(table, tmp_path / "own.parquet")
    settings = config(tmp_path, name="own.parquet")
    flags = proposed(settings)
    assert flags[:4] == ["--select.image-column", "left", "--select.caption-column", "what"]
    found = read_input(config(tmp_path, *flags, name="own.parquet"))
    assert (found.columns.image, found.columns.caption) == ("left", "what")
