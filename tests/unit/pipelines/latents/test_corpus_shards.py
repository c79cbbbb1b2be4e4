"""The files of a finished corpus, and nothing else, are its shards; anything less is refused."""

import json

import pytest

from ldm3d.toy.corpus import scene_rows
from pipelines.latents.corpus_shards import CorpusShards
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard

COLUMNS = ("key", "image")


@pytest.fixture
def corpus(tmp_path) -> Folder:
    folder = Folder(str(tmp_path))
    rows = scene_rows(range(12), "train", size=16)
    folder.write_tables("rgbd/val/00003.parquet", [rows.slice(0, 2)])
    folder.write_tables("rgbd/train/00007.parquet", [rows.slice(2, 4), rows.slice(6, 1)])
    folder.write_tables("rgbd/train/00000.parquet", [rows.slice(7, 5)])
    folder.write("_SUCCESS.json", json.dumps({"rows_kept": 12}).encode())
    return folder


def test_each_file_is_a_shard_of_its_name_and_rows(corpus):
    assert CorpusShards.of(corpus.url, COLUMNS).shards == [
        Shard("train-00000", "rgbd/train/00000.parquet", None, 5),
        Shard("train-00007", "rgbd/train/00007.parquet", None, 5),
        Shard("val-00003", "rgbd/val/00003.parquet", None, 2),
    ]


def test_a_corpus_that_changes_is_another_one(corpus):
    before = CorpusShards.of(corpus.url, COLUMNS)
    assert CorpusShards.of(corpus.url, COLUMNS).identity == before.identity
    corpus.write_tables("rgbd/val/00003.parquet", [scene_rows(range(100, 102), "val", size=16)])
    after = CorpusShards.of(corpus.url, COLUMNS)
    assert after.shards == before.shards
    assert after.identity != before.identity


def test_rows_that_are_missing_or_added_are_refused_with_the_numbers(corpus):
    corpus.delete("rgbd/val/00003.parquet")
    with pytest.raises(ValueError, match=r"--input .* 12 rows, its files hold 10: "):
        CorpusShards.of(corpus.url, COLUMNS)


def test_what_is_no_finished_corpus_is_refused(corpus, tmp_path):
    corpus.delete("_SUCCESS.json")
    with pytest.raises(ValueError, match=r"--input .*: give a finished corpus"):
        CorpusShards.of(corpus.url, COLUMNS)
    with pytest.raises(ValueError, match="does not exist: give a finished corpus"):
        CorpusShards.of(str(tmp_path / "nothing"), COLUMNS)


def test_a_damaged_file_is_refused_by_name(corpus):
    corpus.write("rgbd/val/00003.parquet", corpus.read("rgbd/val/00003.parquet")[:-5])
    with pytest.raises(ValueError, match=r"rgbd/val/00003\.parquet is not a complete parquet file"):
        CorpusShards.of(corpus.url, COLUMNS)
