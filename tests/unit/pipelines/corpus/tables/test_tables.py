"""Own data as people have it: every row of a file is read, whole or as a row without values, and none is lost."""

import csv
import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.corpus.tables.json_lines import JsonTable
from pipelines.corpus.tables.kinds import find_tables, table_of
from pipelines.corpus.tables.pictures import PictureFolder
from pipelines.corpus.tables.tar import TarTable
from pipelines.corpus.tables.text import TextTable
from pipelines.storage.folder import Folder


def rows_of(table, columns=("url", "caption"), at_a_time=2):
    """All rows as tuples of text, checked against the count before any work."""
    facts = table.facts(None)
    batches = list(table.batches(list(columns), at_a_time, facts.reading))
    rows = [tuple(row[name] for name in columns) for batch in batches for row in batch.to_pylist()]
    assert len(rows) == facts.rows
    assert all(batch.num_rows <= at_a_time for batch in batches)
    return [tuple(value.decode() if isinstance(value, bytes) else value for value in row) for row in rows]


def written(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Folder(str(folder)), name


TWO = [("u1", "a dog"), ("u2", "a cat")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "url,caption\nu1,a dog\nu2,a cat\n"),
        ("a.csv", "url;caption;n\r\nu1;a dog;1\r\nu2;a cat;2\r\n"),  # spreadsheets where the comma is decimal
        ("a.tsv", "caption\turl\na dog\tu1\na cat\tu2"),
        ("a.csv", '\ufeffurl,caption\nu1,"a dog"\n\nu2,a cat\n'),
        ("a.csv", "url,caption\nu1,a dog\nu2,a cat\n".encode("utf-16")),
        ("a.csv.gz", gzip.compress(b"url,caption\nu1,a dog\nu2,a cat\n")),
    ],
    ids=["comma", "semicolon", "tab", "mark", "utf-16", "gzip"],
)
def test_text_tables_are_read_as_they_are_written(tmp_path, name, content):
    assert rows_of(TextTable(*written(tmp_path, name, content))) == TWO


def test_a_value_may_hold_separators_quotes_and_line_breaks(tmp_path):
    content = 'url,caption\nu1,"one, ""two""\nthree"\nu2,plain\n'
    assert rows_of(TextTable(*written(tmp_path, "a.csv", content))) == [("u1", 'one, "two"\nthree'), ("u2", "plain")]


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), whitelist_characters='\n"\t;'), max_size=12)


@settings(max_examples=100)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.sampled_from([",", ";", "\t"]))
def test_what_csv_writes_is_read(rows, separator):
    """Up to empty values, which are null. An empty row of a single value is no row to anybody, so there are two."""
    content = io.StringIO()
    writer = csv.writer(content, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("url", "caption"), *rows])
    with tempfile.TemporaryDirectory() as name:
        found = rows_of(TextTable(*written(Path(name), "a.csv", content.getvalue())))
    assert found == [tuple(value or None for value in row) for row in rows]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_what_json_writes_is_read(rows):
    lines = "".join(json.dumps({"url": url, "caption": text}) + "\n" for url, text in rows)
    with tempfile.TemporaryDirectory() as name:
        assert rows_of(JsonTable(*written(Path(name), "a.jsonl", lines))) == rows


def test_a_lone_quote_does_not_swallow_the_rows_after_it(tmp_path):
    content = 'url\tcaption\nu1\t"half\nu2\t6" nails\nu3\t"end\nu4\tok\n'
    found = rows_of(TextTable(*written(tmp_path, "a.tsv", content)))
    assert found == [("u1", '"half'), ("u2", '6" nails'), ("u3", '"end'), ("u4", "ok")]


def test_a_row_that_is_not_whole_stays_a_row_without_values(tmp_path):
    content = b"url,caption\nu1,a dog\nbroken \xff\nu2,a cat\nu3,too,many\n"
    found = rows_of(TextTable(*written(tmp_path, "a.csv", content)))
    assert sorted(found, key=str) == sorted([*TWO, (None, None), (None, None)], key=str)


def test_bytes_that_are_not_utf_8_are_replaced(tmp_path):
    found = rows_of(TextTable(*written(tmp_path, "a.csv", b"url,caption\nu1,caf\xe9\n")))
    assert found == [("u1", "caf\ufffd")]


def test_a_table_without_a_header_is_refused(tmp_path):
    table = TextTable(*written(tmp_path, "a.tsv", "http://a.example/1.jpg\ta dog\n"))
    with pytest.raises(ValueError, match=r"a\.tsv begins with .*looks like a row: add a line above it"):
        table.facts(None)


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        (TextTable, "a.csv", b""),
        (TextTable, "a.csv.gz", gzip.compress(bytes(range(256)) * 4_000)[:-20]),
        (JsonTable, "a.json", b'[{"url": "u1"}, {"ur'),
        (JsonTable, "a.jsonl", b"no json\nat all\n"),
        (TarTable, "a.tar", b"no tar" * 200),
    ],
    ids=["empty", "cut off", "half a list", "no objects", "no tar"],
)
def test_a_file_of_another_kind_is_named(tmp_path, kind, name, content):
    with pytest.raises(ValueError, match=f"--input: .*/{name} is not a readable .* file"):
        kind(*written(tmp_path, name, content)).facts(None)


def test_json_lines_and_lists_are_read_and_a_broken_line_stays_a_row(tmp_path):
    lines = '{"url": "u1", "caption": "a dog"}\n\n{"caption": "a cat", "n": 1, "url": "u2"}\n'
    assert rows_of(JsonTable(*written(tmp_path, "a.jsonl", lines))) == TWO
    listed = json.dumps([{"url": "u1", "caption": "a dog"}, {"url": "u2", "caption": "a cat"}], indent=1)
    assert rows_of(JsonTable(*written(tmp_path, "a.json", listed))) == TWO
    broken = '{"url": "u1", "caption": "a dog"}\nbroken\n[1]\n{"url": {}, "caption": 7}\n'
    found = rows_of(JsonTable(*written(tmp_path, "b.jsonl", broken)))
    assert found == [("u1", "a dog"), (None, None), (None, None), (None, "7")]


def test_a_folder_of_pictures_has_the_captions_beside_them(tmp_path):
    (tmp_path / "b").mkdir()
    for name, content in {"a.jpg": "", "a.txt": "a dog", "b/c.PNG": "", "b/c.txt": "a cat\n", "d.webp": ""}.items():
        written(tmp_path, name, content)
    found = rows_of(PictureFolder(Folder(str(tmp_path)), ""), ("file_name", "caption", "fault"))
    assert found == [
        ("a.jpg", "a dog", None),
        ("b/c.PNG", "a cat\n", None),
        ("d.webp", None, "there is no .txt of its name beside it"),
    ]


def test_a_picture_without_a_caption_is_named_before_any_work(tmp_path, caplog):
    for name in ("a.jpg", "a.txt", "b.jpg", "c.jpg"):
        written(tmp_path, name, b"")
    PictureFolder(Folder(str(tmp_path)), "").facts(None)
    assert "pictures without a .txt beside them are rejected (2, b.jpg first)" in caplog.text
    assert "skipped" not in caplog.text  # a caption is read, not passed over


def test_captions_without_pictures_are_refused(tmp_path):
    written(tmp_path, "a.txt", b"a dog")
    assert find_tables(Folder(str(tmp_path)), "auto") == ("pictures", {"a.txt": 5})
    with pytest.raises(ValueError, match="holds no pictures"):
        PictureFolder(Folder(str(tmp_path)), "").facts(None)


def test_captions_are_text_or_none(tmp_path, caplog):
    texts = {"a": "ein Hund".encode("utf-16"), "b": b"caf\xe9", "c": "\ufeffchien".encode()}
    for name, content in texts.items():
        written(tmp_path, f"{name}.jpg", b"")
        written(tmp_path, f"{name}.txt", content)
    found = rows_of(PictureFolder(Folder(str(tmp_path)), ""), ("file_name", "caption", "fault"))
    assert found == [("a.jpg", "ein Hund", None), ("b.jpg", None, "its .txt is not UTF-8"), ("c.jpg", "chien", None)]
    assert "'b.txt' is not UTF-8 in line 1" in caplog.text


def test_pictures_without_any_caption_are_refused_with_what_to_do(tmp_path):
    written(tmp_path, "a.jpg", b"")
    with pytest.raises(ValueError, match=r"holds 1 pictures and no captions: put a \.txt file .*metadata\.csv"):
        PictureFolder(Folder(str(tmp_path)), "").facts(None)


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def shard(folder, name="00000.tar"):
    """Three samples as img2dataset and webdataset write them, and one without a picture."""
    with tarfile.open(folder / name, "w") as tar:
        add(tar, "000000001.jpg", b"first picture")
        add(tar, "000000001.txt", b"a dog")
        add(tar, "000000001.json", json.dumps({"url": "http://a.example/1.jpg", "caption": "other"}).encode())
        add(tar, "000000002.txt", b"nothing")
        add(tar, "x/3.tar.webp.png", b"")  # of the sample 3: the name ends at the first dot
        add(tar, "x/4.png", b"second picture")
        add(tar, "x/4.json", json.dumps({"caption": "a cat"}).encode())
        add(tar, "x/5.jpeg", b"third picture" * 100)
    return Folder(str(folder)), name


def test_samples_of_a_tar_shard_are_found_with_the_places_of_their_pictures(tmp_path):
    folder, name = shard(tmp_path)
    found = rows_of(TarTable(folder, name), ("url", "caption", "file", "offset", "length"))
    assert [row[:3] for row in found] == [
        ("http://a.example/1.jpg", "a dog", "00000.tar"),
        ("00000.tar/x/4.png", "a cat", "00000.tar"),
        ("00000.tar/x/5.jpeg", None, "00000.tar"),
    ]
    faults = [fault for (fault,) in rows_of(TarTable(folder, name), ("fault",))]
    assert faults == [None, None, "there is no .txt of its name, nor a .json with a caption, in the tar"]
    contents = [folder.read_range(name, offset, offset + length) for *_, offset, length in found]
    assert contents == [b"first picture", b"second picture", b"third picture" * 100]


def test_of_a_tar_that_was_cut_off_the_whole_samples_are_read(tmp_path, caplog):
    folder, name = shard(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: whole.index(b"third picture") + 100])
    assert len(rows_of(TarTable(folder, name))) == 2
    assert "00000.tar was cut off" in caplog.text


@pytest.mark.parametrize(
    ("files", "wanted", "kind", "found"),
    [
        (["a.parquet", "b.csv", "c.jpg"], "auto", "parquet", ["a.parquet"]),
        (["0.tar", "0.parquet", "0_stats.json"], "auto", "tar", ["0.tar"]),  # as img2dataset writes them
        (["b.csv", "c.tsv.gz", "d.jsonl"], "auto", "csv", ["b.csv", "c.tsv.gz"]),
        (["a.parquet", "p/c.jpg", "p/c.txt"], "pictures", "pictures", ["p/c.jpg", "p/c.txt"]),
        (["stats.json", "d.jsonl"], "auto", "json", ["d.jsonl", "stats.json"]),
    ],
)
def test_the_first_kind_that_there_is_is_read_or_the_one_that_is_named(tmp_path, files, wanted, kind, found):
    (tmp_path / "p").mkdir()
    for name in files:
        written(tmp_path, name, b"")
    assert find_tables(Folder(str(tmp_path)), wanted) == (kind, dict.fromkeys(found, 0))


def test_a_file_is_of_the_kind_that_its_name_says(tmp_path):
    folder, name = written(tmp_path, "a.jsonl.gz", gzip.compress(b'{"url": "u1", "caption": "a dog"}\n'))
    file = Folder(f"{folder.url}/{name}")
    kind, sizes = find_tables(file, "auto")
    assert kind == "json"
    assert rows_of(table_of(kind, file, *sizes)) == TWO[:1]


def test_an_input_without_anything_to_read_is_refused(tmp_path):
    written(tmp_path, "notes.md", b"")
    with pytest.raises(ValueError, match=r"holds no table, tar shard or picture: wanted \.parquet, \.csv"):
        find_tables(Folder(str(tmp_path)), "auto")
    with pytest.raises(ValueError, match=r"holds no \.csv/"):
        find_tables(Folder(str(tmp_path)), "csv")
