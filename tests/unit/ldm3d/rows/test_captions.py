"""Captions from every kind of file become rows with their own keys, and samples depend on these alone."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import CaptionsConfig
from ldm3d.keys import make_key
from ldm3d.rows.captions import Captions, read_captions
from ldm3d.schema import REJECT, conform

COCO = [{"id": 37, "image_id": 9, "caption": "A red cube."}, {"id": 2, "image_id": 9, "caption": "cubes\n"}]


def read(name: str, content: bytes) -> list[dict]:
    return read_captions(name, io.BytesIO(content)).to_pylist()


def parquet(columns: dict) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def captions_of(*texts: str | None, keys: list[int] | None = None, **settings) -> Captions:
    content = parquet({"caption": pa.array(texts, pa.string())} | ({"key": keys} if keys else {}))
    return Captions.of(read_captions("a.parquet", io.BytesIO(content)), CaptionsConfig(**settings))


def test_coco_captions_have_the_key_of_the_annotation_and_the_picture_they_were_written_for():
    assert read("captions.json", json.dumps({"images": [], "annotations": COCO}).encode()) == [
        {"key": 37, "caption": "A red cube.", "image_id": 9},
        {"key": 2, "caption": "cubes", "image_id": 9},
    ]


def test_a_text_file_holds_a_caption_a_line():
    rows = read("a.TXT", "\ufeffa café\r\n\na red\x0bcube\x00sky\n".encode())
    assert [row["caption"] for row in rows] == ["a café", "", "a red cube sky"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with a mark", "utf-16-be with a mark"]
)
def test_a_text_file_may_be_in_utf_16_if_it_says_so(encoding):
    text, plain = "grüne Kugel\r\n青い立方体\r\n", encoding.removesuffix(" with a mark")
    content = (("\ufeff" if plain != encoding else "") + text).encode(plain)
    assert [row["caption"] for row in read("a.txt", content)] == text.split("\r\n")[:2]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16-be"])
def test_a_text_file_in_another_encoding_is_refused_by_name(encoding):
    with pytest.raises(ValueError, match=r"'a\.txt' is not .*UTF-8"):
        read("a.txt", "ein Würfel\nzwei Würfel\n".encode(encoding))


def test_rows_without_a_key_get_one_of_their_number_and_caption():
    rows = read_captions("a.txt", io.BytesIO(b"a cube\na cube\n"))
    assert sorted(Captions.of(rows, CaptionsConfig()).drawn["key"].to_pylist()) == sorted(
        [make_key("1:a cube"), make_key("2:a cube")]
    )


@pytest.mark.parametrize("column", ["caption", "TEXT", "text"])
def test_a_parquet_file_may_be_a_corpus_or_foreign_metadata(column):
    content = parquet({"url": ["u", "v"], column: ["a cube", None], "key": pa.array([3, 4], pa.uint32())})
    assert read("a.parquet", content) == [
        {"key": 3, "caption": "a cube", "image_id": None},
        {"key": 4, "caption": None, "image_id": None},
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "'a.csv' ends in '.csv', wanted captions in one of .parquet, .json, .txt"),
        ("a.parquet", b"PAR1", "'a.parquet' is not a complete parquet file"),
        ("a.parquet", parquet({"url": ["u"]}), r"has the columns \['url'\], wanted one of caption, TEXT, text"),
        ("a.parquet", parquet({"caption": ["c"], "key": ["k"]}), "key of type string, wanted int64"),
        ("a.parquet", parquet({"caption": ["c"], "key": pa.array([2**63], pa.uint64())}), "key of type uint64"),
        ("a.json", b"[", "'a.json' is not JSON"),
        ("a.json", b'"\xff"', "'a.json' is not JSON"),
        ("a.json", b"[]", "'a.json' has no list of annotations, wanted COCO's captions"),
        ("a.json", b'{"annotations": [{"id": 1, "caption": "c"}]}', "annotation 0 lacks an integer id or image_id"),
        ("a.json", b'{"annotations": [1]}', "annotation 0 lacks"),
        ("a.json", b'{"annotations": [{"id": 9223372036854775808, "image_id": 1}]}', "annotation 0 lacks"),
    ],
)
def test_what_is_no_file_of_captions_is_refused(name, content, message):
    with pytest.raises(ValueError, match=message):
        read(name, content)


def test_a_column_of_captions_that_is_there_twice_is_named():
    file = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["caption", "caption"]), file)
    with pytest.raises(ValueError, match=r"'a\.parquet' has the columns \['caption'\] more than once"):
        read("a.parquet", file.getvalue())


def test_rows_without_a_caption_are_rejects():
    captions = captions_of("a cube", None, "  ", keys=[1, 2, 3])
    assert captions.drawn.to_pylist() == [{"key": 1, "caption": "a cube", "image_id": None}]
    rejects = conform(captions.rejects(), "reject/v1")
    assert rejects.schema.equals(REJECT)
    assert {(row["key"], row["stage"], row["reason"]) for row in rejects.to_pylist()} == {
        (2, "captions", "invalid_row"),
        (3, "captions", "invalid_row"),
    }


def test_a_json_caption_that_is_no_text_is_a_reject_not_the_end():
    annotations = [{"id": 1, "image_id": 1, "caption": 7}, {"id": 2, "image_id": 1, "caption": "\ud83d"}]
    rows = read_captions("a.json", io.BytesIO(json.dumps({"annotations": annotations}).encode()))
    captions = Captions.of(rows, CaptionsConfig())
    assert (captions.rejected["key"].to_pylist(), captions.drawn["caption"].to_pylist()) == ([1], ["?"])


def test_keys_that_are_there_twice_and_files_without_captions_are_refused():
    with pytest.raises(ValueError, match=r"3 rows .* 2 keys, 5 .*\['a', 'c'\]"):
        captions_of("a", "b", "c", keys=[5, 6, 5])
    with pytest.raises(ValueError, match=r"none of its rows \(2\) has a caption"):
        captions_of("", None)
    with pytest.raises(ValueError, match=r"none of its rows \(0\) has a caption"):
        captions_of()


def test_a_smaller_count_is_part_of_a_larger_one_whatever_the_order_and_seed():
    texts, keys = [f"cube {number}" for number in range(50)], list(range(100, 150))
    few, many = captions_of(*texts, keys=keys, count=10), captions_of(*texts, keys=keys, count=20)
    assert many.drawn.slice(0, 10).equals(few.drawn)
    assert (few.drawn.num_rows, few.left_out) == (10, 40)
    assert few.drawn["key"].to_pylist() != keys[:10]  # not those that happen to be first
    turned = captions_of(*reversed(texts), keys=keys[::-1], count=10, seed=3)
    assert turned.drawn.equals(few.drawn)


def test_samples_of_a_caption_follow_each_other_with_seeds_that_only_key_and_number_decide():
    config = CaptionsConfig(per_caption=3, seed=1)
    captions = captions_of("a", "b", "c", keys=[1, 2, 3])
    every = captions.samples(0, 100, config).to_pylist()
    assert [row["number"] for row in every] == [0, 1, 2] * 3
    assert [row["key"] for row in every] == [key for key in captions.drawn["key"].to_pylist() for _ in range(3)]
    assert captions.samples(4, 8, config).to_pylist() == every[4:8]
    alone = captions_of("b", keys=[2]).samples(0, 3, config).to_pylist()
    assert alone == [row for row in every if row["key"] == 2]
    other = captions_of("b", keys=[2]).samples(0, 3, CaptionsConfig(per_caption=3, seed=2))
    assert not set(other["seed"].to_pylist()) & {row["seed"] for row in every}


def test_seeds_fill_32_bits_and_hardly_ever_meet():
    captions = captions_of(*(f"cube {number}" for number in range(1_000)), keys=list(range(1_000)))
    seeds = captions.samples(0, 20_000, CaptionsConfig(per_caption=20))["seed"].to_numpy()
    assert seeds.min() >= 0
    assert 0.49 < np.mean(seeds) / 2**32 < 0.51
    assert seeds.max() < 2**32
    assert len(np.unique(seeds)) > 19_990  # of 2^32, 20,000 draws meet 0.05 times
