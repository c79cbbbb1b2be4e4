"""A reader yields rows in the global order, wherever it begins, and names what it cannot read."""

import io
import os
import pickle
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from ldm3d.config import CorpusConfig, DownloadConfig, ShardConfig
from ldm3d.data.order import GlobalOrder
from ldm3d.data.pictures import decode_rgbd
from ldm3d.schema import IMAGE
from ldm3d.toy.pictures import jpeg
from ldm3d.toy.scenes import Scene, exact_depth, render
from pipelines.corpus.write_shards import write_shards
from pipelines.storage.folder import Folder
from pipelines.storage.row_groups import OpenRowGroups, RowGroups
from pipelines.storage.shards import claim
from pipelines.training.reader import BatchReader
from tests import ROOT

torch.set_num_threads(1)

SIZE = 16
SHARDS = {"train-00000": 37, "train-00001": 16, "train-00002": 1, "train-00003": 50, "val-00000": 9, "test-00000": 0}
COLUMNS = ("key", "caption", "image", "depth")


def depth_of(key: int) -> np.ndarray:
    inverse = render(Scene.from_seed(key), SIZE, samples=1).inverse_depth
    return np.rint(exact_depth(inverse) * 65_535).astype(np.uint16)


def image_of(key: int) -> np.ndarray:
    return render(Scene.from_seed(key), SIZE, samples=1).image


def labelled(shard: str, keys: list[int]) -> pa.Table:
    """Return a table as `write_shards` takes it; a shard whose rows were all rejected leaves no file."""
    count = len(keys)
    columns: dict[str, Any] = {
        "shard": [shard] * max(count, 1),
        "reason": [""] * count or ["timeout"],
    }
    keys = keys or [-1]
    constants: dict[str, Any] = {
        "split": shard.split("-")[0],
        "depth_min": 0.0,
        "depth_max": 1.0,
        "original_width": SIZE,
        "original_height": SIZE,
        "sha256": "",
        "device_seconds": 0.0,
        "stage": "download",
        "detail": "",
    }
    columns |= {
        "key": keys,
        "url": [f"https://example.com/{key}" for key in keys],
        "caption": [Scene.from_seed(abs(key)).caption for key in keys],
        "image": [jpeg(image_of(abs(key)), 100) for key in keys],
        "depth": [depth_of(abs(key)).tobytes() for key in keys],
        "perceptual_hash": keys,
        "similarity": pa.nulls(len(keys), pa.float32()),
        "nsfw": pa.nulls(len(keys), pa.string()),
    }
    return pa.table(columns | {name: [value] * len(keys) for name, value in constants.items()})


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A corpus as the corpus stage writes it: files of 5, 2, 1 and 7 row groups, the last ones small."""
    root = tmp_path_factory.mktemp("corpus")
    config = CorpusConfig(
        input="unused",
        output=str(root),
        download=DownloadConfig(image_size=SIZE),
        shards=ShardConfig(row_group_rows=8),
    )
    claim(Folder(config.output), "run", {})
    first = 0
    for shard, count in SHARDS.items():
        rows = labelled(shard, list(range(first, first + count)))
        write_shards(rows, config=config, owner="run", provenance={}, retries=False)
        first += count
    return root


@pytest.fixture
def corpus(template, tmp_path) -> Folder:
    """A copy that may be damaged."""
    root = tmp_path / "corpus"
    for file in template.rglob("rgbd/*/*.parquet"):
        (root / file.relative_to(template)).parent.mkdir(parents=True, exist_ok=True)
        os.link(file, root / file.relative_to(template))
    return Folder(str(root))


def replace(corpus: Folder, name: str, content: bytes) -> None:
    corpus.write(name, content)  # by renaming: the template keeps its own


def row_groups(corpus: Folder, columns: tuple[str, ...] = COLUMNS) -> RowGroups:
    return RowGroups.of(corpus, "rgbd/v1", "train", columns)


def order_of(groups: RowGroups, **changes: Any) -> GlobalOrder:
    settings = {"batch_size": 8, "lanes": 4, "shuffle_rows": 12, "seed": 0} | changes
    return GlobalOrder(group_rows=groups.rows, **settings)


def plain(rows: pa.Table) -> dict[str, list[Any]]:
    return rows.to_pydict()


def make_reader(corpus: Folder, start: int = 0, stop: int = 30, decode: Any = plain, **changes: Any) -> BatchReader:
    groups = row_groups(corpus)
    workers = {name: changes.pop(name) for name in ("rank", "workers", "threads") if name in changes}
    return BatchReader(groups, order_of(groups, **changes), decode, start=start, stop=stop, **workers)


def contents(reader: BatchReader) -> list[tuple[int, list[int], Any]]:
    return [(batch.step, batch.positions.tolist(), batch.data) for batch in reader]


def reader_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("fetch-rows", "decode-rows"))]


def await_end_of_threads(seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while reader_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert reader_threads() == []


def test_row_groups_are_those_of_the_split_in_the_order_of_names(corpus):
    groups = row_groups(corpus)
    assert groups.files == tuple(f"rgbd/train/0000{n}.parquet" for n in range(4))
    assert groups.rows.tolist() == [8, 8, 8, 8, 5, 8, 8, 1, 8, 8, 8, 8, 8, 8, 2]
    assert groups.file.tolist() == [0] * 5 + [1] * 2 + [2] + [3] * 7
    assert groups.name(14) == f"{corpus.url}/rgbd/train/00003.parquet, row group 6"
    assert OpenRowGroups(groups).read(7)["key"].to_pylist() == [37 + 16]
    assert OpenRowGroups(groups).read(7).column_names == list(COLUMNS)


def test_batches_hold_the_rows_of_the_order(corpus):
    groups = row_groups(corpus)
    order, opened = order_of(groups), OpenRowGroups(groups)
    keys = [opened.read(group)["key"].to_pylist() for group in range(len(groups.rows))]
    batches = list(make_reader(corpus, stop=3 * order.steps_per_epoch))
    assert [batch.step for batch in batches] == list(range(39))
    for batch, drawn in zip(batches, order.batches(0, 39, range(4)), strict=True):
        expected = [keys[group][row] for group, row in zip(drawn.groups, drawn.rows, strict=True)]
        assert batch.data["key"] == expected
        assert batch.data["position"] == drawn.positions.tolist() == batch.positions.tolist()


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_together_have_what_one_has(corpus, workers):
    alone = contents(make_reader(corpus))
    parts = [contents(make_reader(corpus, rank=rank, workers=workers)) for rank in range(workers)]
    for whole, *shares in zip(alone, *parts, strict=True):
        assert {share[0] for share in shares} == {whole[0]}
        assert [position for share in shares for position in share[1]] == whole[1]
        assert [key for share in shares for key in share[2]["key"]] == whole[2]["key"]


@pytest.mark.parametrize("start", [1, 5, 12, 13, 20, 29, 30])
def test_begun_anywhere_it_yields_what_an_uninterrupted_one_yields_from_there(corpus, start):
    whole = contents(make_reader(corpus, threads=2))
    assert contents(make_reader(corpus, start=start, threads=3)) == whole[start:]


def test_it_can_be_iterated_again_and_sent_to_another_process(corpus):
    reader = make_reader(corpus)
    once = contents(reader)
    assert contents(reader) == once
    assert contents(pickle.loads(pickle.dumps(reader))) == once


def test_only_the_files_that_hold_its_rows_are_read(corpus):
    reader = make_reader(corpus, start=10, stop=13, shuffle_rows=2, batch_size=4, lanes=2, rank=1, workers=2)
    drawn = reader.order.batches(10, 13, reader.lanes)
    needed = {reader.row_groups.files[reader.row_groups.file[group]] for batch in drawn for group in batch.groups}
    assert len(needed) < 4
    for name in set(reader.row_groups.files) - needed:
        corpus.delete(name)
    assert len(contents(reader)) == 3


def test_pictures_are_decoded_as_they_were_stored(corpus):
    seen = 0
    for batch in make_reader(corpus, stop=13, decode=keys_and_pictures):
        keys, pictures = batch.data
        assert (pictures.image.dtype, pictures.depth.dtype) == (torch.uint8, torch.uint16)
        for index, key in enumerate(keys):
            np.testing.assert_array_equal(pictures.depth[index], depth_of(key))
            stored = np.asarray(Image.open(io.BytesIO(jpeg(image_of(key), 100))), int)
            assert np.abs(pictures.image[index].numpy() - stored).max() <= 3  # two decoders
            seen += 1
    assert seen == 104


def keys_and_pictures(rows: pa.Table, **options: Any) -> tuple[list[int], Any]:
    return rows["key"].to_pylist(), decode_rgbd(rows, **options)


@pytest.mark.parametrize("channels", [6, 4])
def test_pictures_become_what_the_autoencoder_sees(corpus, channels):
    pictures = next(iter(make_reader(corpus, decode=decode_rgbd))).data
    tensor = pictures.to_tensor(channels)
    assert (tensor.shape, tensor.dtype) == ((8, channels, SIZE, SIZE), torch.float32)
    np.testing.assert_allclose(tensor[:, :3], pictures.image.permute(0, 3, 1, 2) / 127.5 - 1, atol=1e-6)
    high = pictures.depth.to(torch.int32) / 32_767.5 - 1 if channels == 4 else pictures.depth.to(torch.int32) // 256
    np.testing.assert_allclose(
        tensor[:, 3 if channels == 4 else 4], high if channels == 4 else high / 127.5 - 1, atol=1e-6
    )


def test_pictures_of_two_sizes_are_refused():
    depth = cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].tobytes()
    images = [jpeg(np.zeros((size, size, 3), np.uint8)) for size in (4, 8)]
    rows = pa.table({"image": [{"bytes": image} for image in images], "depth": [{"bytes": depth}] * 2})
    with pytest.raises(ValueError, match=r"\(4, 4\), \(8, 8\)"):
        decode_rgbd(rows)


class SlowDecoder:
    """Takes its time, and counts its batches."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.done = seconds, 0

    def __call__(self, rows: pa.Table) -> None:
        time.sleep(self.seconds)
        self.done += 1

    def await_batches(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while self.done < count and time.monotonic() < deadline:
            time.sleep(0.005)


def test_waiting_for_a_slow_decoder_is_counted(corpus):
    reader = make_reader(corpus, stop=10, decode=SlowDecoder(0.03))
    began = time.perf_counter()
    assert len(contents(reader)) == 10
    assert 0.9 * 10 * 0.03 < reader.wait_s <= time.perf_counter() - began


def test_a_consumer_does_not_wait_for_what_was_decoded_while_it_computed(corpus):
    slow = SlowDecoder(0.2)
    reader = make_reader(corpus, stop=4, decode=slow, threads=2)
    batches = iter(reader)
    next(batches)
    waited = reader.wait_s
    assert waited > 0.18
    slow.await_batches(4)  # the consumer computes
    assert len(list(batches)) == 3
    assert reader.wait_s - waited < 0.1


def test_decoding_keeps_ahead_by_a_batch_more_than_it_has_threads(corpus):
    decoder = SlowDecoder(0)
    batches = iter(make_reader(corpus, stop=10**9, decode=decoder, threads=2))
    for taken in range(1, 6):
        next(batches)
        decoder.await_batches(taken + 3)
        time.sleep(0.02)  # for one too many
        assert decoder.done == taken + 3


def test_few_row_groups_are_in_memory_at_a_time(tmp_path):
    folder, blob = Folder(str(tmp_path)), os.urandom(4096)
    schema = pa.schema([("latent", pa.binary())], {"contract": "latents/v1"})
    groups = [pa.table({"latent": [blob] * 16}, schema) for _ in range(16)]
    for name in range(16):  # 16 MiB in all
        folder.write_tables(f"latents/train/{name:05}.parquet", groups, compression="none", use_dictionary=False)
    index = RowGroups.of(folder, "latents/v1", "train", ("latent",))
    order = order_of(index, batch_size=16, lanes=2, shuffle_rows=128)
    reader = BatchReader(index, order, lambda rows: rows.num_rows, start=0, stop=2 * order.steps_per_epoch)
    before, most_bytes, most_held = pa.total_allocated_bytes(), 0, 0
    for _ in reader:
        most_bytes = max(most_bytes, pa.total_allocated_bytes() - before)
        most_held = max(most_held, reader.held)
    rows = 2 * (128 + 2 * 16) + 256 + 16 * 4  # of both lanes, ahead of decoding, being decoded
    assert most_held <= rows / 16
    assert 2 * 64 * 4096 < most_bytes < 1.5 * rows * 4096


@pytest.mark.parametrize("leave", ["close", "drop", "raise", "exhaust"])
def test_its_threads_end_with_the_iterator(corpus, leave):
    def fails(rows: pa.Table) -> None:
        raise ValueError("decoder")

    reader = make_reader(corpus, stop=3 if leave == "exhaust" else 10**9, decode=fails if leave == "raise" else plain)
    if leave == "raise":
        with pytest.raises(RuntimeError, match="decoder"):
            list(reader)
    elif leave == "exhaust":
        assert len(list(reader)) == 3
    else:
        batches = iter(reader)
        next(batches)
        assert reader_threads()
        if leave == "close":
            batches.close()
        del batches
    await_end_of_threads()


def test_a_program_ends_that_leaves_a_reader_in_the_middle(corpus):
    code = f"""
from ldm3d.data.order import GlobalOrder
from pipelines.training.reader import BatchReader
from pipelines.storage.row_groups import RowGroups
from ldm3d.schema import IMAGE
from pipelines.storage.folder import Folder
groups = RowGroups.of(Folder({corpus.url!r}), "rgbd/v1", "train", ("image",))
order = GlobalOrder(group_rows=groups.rows, batch_size=8, lanes=4, shuffle_rows=12, seed=0)
batches = iter(BatchReader(groups, order, lambda rows: rows, start=0, stop=10**9))
print(next(batches).step)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "0\n"


def test_a_split_without_rows_is_refused(corpus):
    with pytest.raises(ValueError, match="rgbd/test holds no rows: give a finished corpus with a split 'test'"):
        RowGroups.of(corpus, "rgbd/v1", "test", COLUMNS)


def test_another_contract_is_refused(corpus):
    replace(corpus, "latents/train/00000.parquet", corpus.read("rgbd/train/00000.parquet"))
    with pytest.raises(ValueError, match=r"latents/train/00000.parquet has the contract rgbd/v1, wanted latents/v1"):
        RowGroups.of(corpus, "latents/v1", "train", ("key",))


def test_a_column_that_is_not_there_is_refused(corpus):
    with pytest.raises(ValueError, match=r"lacks the columns \['mean'\]"):
        row_groups(corpus, ("key", "mean"))


def test_a_file_that_was_cut_is_refused_by_name(corpus):
    name = "rgbd/train/00001.parquet"
    replace(corpus, name, corpus.read(name)[:-100])
    with pytest.raises(ValueError, match=r"00001.parquet is not a complete parquet file"):
        row_groups(corpus)


def test_a_row_group_that_cannot_be_read_is_named(corpus):
    reader = make_reader(corpus)
    name = "rgbd/train/00003.parquet"
    replace(corpus, name, corpus.read(name)[:-3000])
    with pytest.raises(OSError, match=r"rgbd/train/00003.parquet, row group \d"), closing(iter(reader)) as batches:
        list(batches)
    await_end_of_threads()


def test_a_row_that_does_not_decode_is_named(corpus):
    name = "rgbd/train/00003.parquet"
    key = 37 + 16 + 1 + 3 * 8 + 5  # row 5 of the file's row group 3
    with corpus.parquet_file(name) as file:
        groups = [file.read_row_group(group) for group in range(file.num_row_groups)]
    images = groups[3]["image"].to_pylist()
    images[5]["bytes"] = bytes(100)
    groups[3] = groups[3].set_column(groups[3].column_names.index("image"), "image", pa.array(images, IMAGE))
    corpus.write_tables(name, [group.cast(groups[0].schema) for group in groups])
    with pytest.raises(RuntimeError, match=r"00003.parquet, row group 3, row 5: image does not decode"):
        list(make_reader(corpus, decode=decode_rgbd))
    assert corpus.read_table(name, row_group=3)["key"][5].as_py() == key


def test_a_picture_with_other_bytes_than_were_written_is_damage_of_its_row_group(corpus):
    name = "rgbd/train/00003.parquet"
    [image] = [row["bytes"] for row in corpus.read_table(name, row_group=3)["image"].to_pylist()[5:6]]
    replace(corpus, name, corpus.read(name).replace(image, bytes(len(image))))
    with pytest.raises(OSError, match=r"00003.parquet, row group 3: .*(?i:checksum)"):
        list(make_reader(corpus, decode=decode_rgbd))


def test_a_fault_of_the_whole_batch_is_no_row_s(corpus):
    def picky(rows: pa.Table) -> None:
        if rows.num_rows > 1:
            raise ValueError("too many")

    with pytest.raises(RuntimeError, match="the batch of step 0, whose rows decode one by one: too many"):
        list(make_reader(corpus, decode=picky))


def test_the_fingerprint_tells_one_corpus_from_another(corpus):
    before = row_groups(corpus).fingerprint
    assert row_groups(corpus, ("key",)).fingerprint == before
    replace(corpus, "rgbd/train/00004.parquet", corpus.read("rgbd/train/00000.parquet"))
    assert row_groups(corpus).fingerprint != before
    corpus.delete("rgbd/train/00004.parquet")
    assert row_groups(corpus).fingerprint == before
