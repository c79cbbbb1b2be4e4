"""The corpus stage on an S3 service with bad days: the same rows as on a disk, or a clear error in bounded time."""

import itertools
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ray.exceptions import RayTaskError
from s3fs import S3FileSystem

from ldm3d.config import CorpusConfig
from pipelines.rebuild_corpus import rebuild_corpus
from pipelines.storage.folder import Folder
from pipelines.storage.input_files import input_files
from pipelines.storage.run import check_folders
from tests.integration.flaky_s3 import FAULTS, FlakyS3

pytestmark = pytest.mark.timeout(400)  # two whole corpora are made before the first test
BUCKET = "s3://corpora"
PATIENCE_S = 90.0  # a request that fails for good is tried again for 15 s or so, 31 at most


@pytest.fixture(scope="module")
def bucket(s3: FlakyS3) -> Folder:
    folder = Folder(BUCKET)
    folder.fs.mkdir("corpora")
    return folder


@pytest.fixture(scope="module")
def config(bucket, corpus, web, make_config) -> CorpusConfig:
    """The world of the session's corpus, its metadata on S3."""
    web.pages.update(corpus.world.pages)  # other worlds have pages of the same names
    for file in Path(corpus.config.input).glob("*.parquet"):
        bucket.write(f"metadata/{file.name}", file.read_bytes())
    return make_config(f"{BUCKET}/metadata", f"{BUCKET}/corpus")


@pytest.fixture(scope="module")
def summary(s3, config) -> dict[str, Any]:
    """Of the corpus, made while one request in seven failed."""
    with flaky(s3):
        return rebuild_corpus(config)


@contextmanager
def flaky(s3: FlakyS3) -> Iterator[None]:
    """One request in seven fails, in every way in turn."""
    s3.every = 7
    try:
        yield
    finally:
        s3.every = None


@contextmanager
def broken(s3: FlakyS3, ending: str) -> Iterator[None]:
    """Requests for paths with this ending fail; all do for ""."""
    s3.broken = ending
    try:
        yield
    finally:
        s3.broken = None


def rows_of(corpus: Folder) -> dict[str, list[dict]]:
    """All rows by contract, by key."""
    found = {}
    for contract in ("rgbd", "rejects"):
        rows = [row for name in corpus.sizes(contract) for row in corpus.read_table(name).to_pylist()]
        found[contract] = sorted(rows, key=lambda row: (row["key"], row["url"] or "", row.get("reason", "")))
    return found


def test_a_corpus_made_on_a_flaky_store_has_the_rows_of_one_made_on_a_disk(s3, config, summary, corpus):
    assert summary == corpus.summary
    assert rows_of(Folder(config.output)) == rows_of(Folder(corpus.config.output))
    faults = s3.faults()
    assert set(faults) == set(FAULTS)
    assert sum(faults.values()) > 20
    assert {request.method for request in s3.requests if request.fault} >= {"GET", "PUT", "HEAD"}


def test_a_finished_corpus_is_left_as_it_is(s3, config, summary):
    before = s3.writes()
    assert rebuild_corpus(config) == summary
    assert s3.writes() == before


def test_a_write_that_fails_for_good_ends_the_run_and_is_done_by_the_next(s3, config, summary, bucket):
    output = Folder(config.output)
    rows = rows_of(output)
    markers = sorted(output.sizes("_state/shards"))
    lost = markers[0].removeprefix("_state/shards/").removesuffix(".json")
    shard = f"rgbd/{lost.replace('-', '/')}.parquet"
    output.delete("_SUCCESS.json")
    output.delete(markers[0])

    before, began = s3.faults()["broken"], time.monotonic()
    with broken(s3, shard), pytest.raises(RayTaskError, match=f"{config.output}/{shard}"):
        rebuild_corpus(config)
    assert time.monotonic() - began < PATIENCE_S
    assert s3.faults()["broken"] > before + 1
    assert not output.exists("_SUCCESS.json")

    before = len(s3.requests)
    assert rebuild_corpus(config) == summary
    assert rows_of(output) == rows
    written = {r.path.removeprefix("/corpora/corpus/") for r in s3.requests[before:] if r.method == "PUT"}
    assert {name for name in written if name.startswith(("rgbd/", "_state/shards/"))} == {shard, markers[0]}


def test_a_store_that_is_down_is_an_error_in_bounded_time(s3, config, bucket):
    began = time.monotonic()
    with broken(s3, ""), pytest.raises((ValueError, OSError)) as caught:
        rebuild_corpus(config)
    assert time.monotonic() - began < PATIENCE_S
    assert config.output in "".join(traceback.format_exception(caught.value))


def test_missing_credentials_are_an_error_that_says_so(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    S3FileSystem.clear_instance_cache()  # connections are kept, with the credentials of their time
    try:
        with pytest.raises(OSError, match=f"{BUCKET}/private/file: .*credentials"):
            Folder(f"{BUCKET}/private").read("file")
    finally:
        S3FileSystem.clear_instance_cache()


def test_a_reader_sees_the_old_file_or_the_new_one(s3, bucket):
    """Answers that are cut short, and rewrites in the middle of reading, show no part and no mixture."""
    versions = [bytes([n]) * 200_000 for n in range(8)]
    bucket.write("whole", versions[0])
    done, seen = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            seen.append(bucket.read("whole"))

    reader = threading.Thread(target=read)
    with flaky(s3):
        reader.start()
        end = time.monotonic() + 60
        for version in itertools.cycle(versions):  # until the reader has seen some of them
            bucket.write("whole", version)
            if len(set(seen)) > 2 or time.monotonic() > end:
                break
        done.set()
        reader.join()
    assert set(seen) <= set(versions)
    assert len(set(seen)) > 2


def test_a_table_that_is_replaced_while_it_is_open_is_an_error_and_never_a_mixture(bucket):
    bucket.write_tables("t.parquet", [pa.table({"x": [n]}) for n in range(3)])
    with bucket.parquet_file("t.parquet") as file:
        bucket.write_tables("t.parquet", [pa.table({"x": [10 + n]}) for n in range(3)])
        with pytest.raises(OSError, match=r"t\.parquet"):
            file.read()


def test_what_another_process_writes_or_removes_is_seen_at_once(bucket):
    ours, theirs = Folder(f"{BUCKET}/shared"), bucket
    assert ours.sizes() == {}
    theirs.write("shared/a/b", b"12")
    assert (ours.sizes(), ours.exists("a/b"), ours.exists("a"), ours.is_file("a")) == ({"a/b": 2}, True, True, False)
    theirs.delete("shared/a")
    assert (ours.sizes(), ours.exists("a/b"), ours.exists("a")) == ({}, False, False)


@pytest.mark.parametrize("name", ["a b/c+d%20é.json", "m[1]/a*b?.json", "x=1/y#z", "deep/" * 20 + "f"])
def test_names_are_taken_as_they_are(bucket, name):
    folder = Folder(f"{BUCKET}/names")
    folder.write("m1/aXbY.json", b"innocent")  # what m[1]/a*b?.json means as a pattern
    folder.write(name, b"found")
    assert folder.read_many([name, "m1/aXbY.json"]) == [b"found", b"innocent"]
    folder.delete(name)
    assert folder.sizes() == {"m1/aXbY.json": 8}


@pytest.mark.parametrize("marker", ["/", "_$folder$"])
def test_the_markers_of_folders_are_neither_data_nor_in_the_way_of_an_output(bucket, marker, caplog):
    """As consoles and Hadoop make them."""
    caplog.set_level(logging.INFO)
    for folder in ("marked", "marked/part.parquet"):
        bucket.fs.call_s3("put_object", Bucket="corpora", Key=folder + marker)
    marked = Folder(f"{BUCKET}/marked/")
    assert marked.sizes() == {}
    check_folders("elsewhere", marked.url, "rebuild_corpus")
    bucket.write("marked/part.parquet/0.parquet", b"12")
    assert input_files(marked, "--input", (".parquet",)) == {"part.parquet/0.parquet": 2}
    assert "skipped" not in caplog.text
    marked.delete("part.parquet")


@pytest.mark.parametrize(
    ("start", "stop", "found"),
    [(0, 4, b"0123"), (3, 6, b"345"), (8, 99, b"89"), (10, 11, b""), (0, 10, b"0123456789")],
)
def test_a_part_of_a_file_is_read_on_a_store_as_on_a_disk(bucket, tmp_path, start, stop, found):
    for folder in (bucket, Folder(str(tmp_path))):
        folder.write("parts/ten", b"0123456789")
        folder.write("parts/empty", b"")
        assert folder.read_range("parts/ten", start, stop) == found
        assert folder.read_range("parts/empty", start, stop) == b""
        with pytest.raises(FileNotFoundError):
            folder.read_range("parts/none", start, stop)


def test_the_keys_of_a_shard_are_read_without_its_pictures(s3, bucket):
    tables = [pa.table({"key": [n], "image": [bytes(10**6)]}) for n in range(4)]
    size = bucket.write_tables("shard", tables, compression="none")
    before = s3.sent
    assert bucket.read_table("shard", columns=["key"])["key"].to_pylist() == [0, 1, 2, 3]
    assert s3.sent - before < size / 20
