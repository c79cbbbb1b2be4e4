"""What must be set for a table of one's own is said at once, as flags that can be added as they are."""

import shlex
from dataclasses import replace

import pytest

from jobs.command import parse
from ldm3d.config import CorpusConfig, SelectConfig
from pipelines.corpus.metadata import read_input


def refused(folder, text, *flags) -> list[str]:
    """The flags that the refusal of a table proposes."""
    (folder / "own.csv").write_text(text)
    with pytest.raises(ValueError, match="Add: ") as error:
        read_input(config(folder, *flags))
    return shlex.split(str(error.value).partition("Add: ")[2])


def config(folder, *flags) -> CorpusConfig:
    words = ["--input", str(folder / "own.csv"), "--output", str(folder / "out"), *flags]
    return parse(CorpusConfig, words).config


UNRATED = ("--select.nsfw", "any", "--select.min-similarity", "0")
TABLES = [
    "anchor,words,n\nhttp://a.example/1.jpg,a dog,1\n",
    "my link;my description\nhttp://a.example/1.jpg;a dog\n",
    "url,caption\ns3://bucket/pictures/1.jpg,a dog\n",
    "url,caption,nsfw rating,clip score\n/data/1.jpg,a dog,UNLIKELY,0.4\n",
]


@pytest.mark.parametrize("text", TABLES[1:])
def test_with_the_flags_that_are_proposed_the_table_is_read(tmp_path, text):
    assert read_input(config(tmp_path, *refused(tmp_path, text))).rows == 1


def test_where_no_column_can_be_guessed_its_place_is_left_open(tmp_path):
    assert refused(tmp_path, TABLES[0]) == [
        *("--select.url-column", "COLUMN", "--select.caption-column", "COLUMN", "--select.nsfw", "any"),
        *("--select.min-similarity", "0"),
    ]


def test_paths_below_the_table_and_urls_of_the_web_need_nothing(tmp_path):
    (tmp_path / "own.csv").write_text("file_name,text\na/1.jpg,a dog\n")
    found = read_input(config(tmp_path, *UNRATED))
    assert found.under == ()
    (tmp_path / "own.csv").write_text("file_name,text\na/1.jpg,a dog\nhttp://a.example/1.jpg,a cat\n")
    assert read_input(config(tmp_path, *UNRATED)).under == ()
    (tmp_path / "own.csv").write_text("url,text\nno url,a dog\nhttp://a.example/1.jpg,a cat\n")
    assert read_input(config(tmp_path, *UNRATED)).under is None


def test_settings_that_are_not_used_leave_the_identity_of_older_corpora(tmp_path):
    plain = CorpusConfig(input=str(tmp_path), output="out")
    assert not {"read", "url_column", "nsfw_column"} & plain.identity()["select"].keys()
    assert "files_under" not in plain.identity()["download"]
    own = replace(plain, select=SelectConfig(url_column="link"))
    assert own.identity()["select"]["url_column"] == "link"
