"""Every row of a shard becomes latents or a reject, and the audit finds any that does not."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import LatentsConfig
from ldm3d.data.latent_sums import LatentSums
from ldm3d.data.latents import decode_latents_rows
from ldm3d.encoding.row_encoder import EncodedRows
from ldm3d.reject import Reason, Rejected
from ldm3d.toy.corpus import scene_rows
from pipelines.latents.audit import audit_of
from pipelines.latents.encode_shards import OPTIONS, pack
from pipelines.storage.folder import Folder
from pipelines.storage.shards import claim, commit_shard

COUNT, SHAPE = 70, (4, 2, 2)
BAD = {3: Rejected(Reason.DECODE_FAILED, "half a JPEG"), 69: Rejected(Reason.ENCODE_FAILED, "NaN")}
GOOD = [place for place in range(COUNT) if place not in BAD]


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return scene_rows(range(COUNT), "train", size=16)


@pytest.fixture(scope="module")
def encoded() -> EncodedRows:
    """Make latents with mirror images; those of bad rows are NaN, so that they show wherever they get in."""
    mean, std = np.random.default_rng(0).standard_normal((2, 2, COUNT, *SHAPE)).astype(np.float16)
    mean[:, list(BAD)] = np.nan
    return EncodedRows(mean, std, BAD, 1.5)


def test_a_shard_counts_pictures_and_its_files_hold_all_views_of_those_that_are_kept(rows, encoded):
    record, tables = pack("train-00001", rows, encoded, {"producer": "test"})
    assert (record.rows, record.kept) == (COUNT, COUNT - 2)
    assert record.rejected == {"decode_failed": 1, "encode_failed": 1}
    assert record.device_seconds == 1.5
    latents = pa.concat_tables(tables["latents"])
    assert latents["key"].to_pylist() == 2 * rows["key"].take(GOOD).to_pylist()
    assert latents["caption"].to_pylist() == 2 * rows["caption"].take(GOOD).to_pylist()
    found = decode_latents_rows(latents)
    assert np.array_equal(found.mean.numpy(), encoded.mean[:, GOOD].reshape(-1, *SHAPE))
    assert np.array_equal(found.std.numpy(), encoded.std[:, GOOD].reshape(-1, *SHAPE))
    (rejects,) = tables["rejects"]
    assert [(row["key"], row["stage"], row["detail"]) for row in rejects.to_pylist()] == [
        (rows["key"][place].as_py(), "encode", rejected.detail) for place, rejected in BAD.items()
    ]


def test_a_row_group_holds_pictures_or_mirror_images_at_most_32(rows, encoded):
    _, tables = pack("train-00001", rows, encoded, {})
    assert [group.num_rows for group in tables["latents"]] == [32, 32, 4, 32, 32, 4]
    assert [set(group["flipped"].to_pylist()) for group in tables["latents"]] == 3 * [{False}] + 3 * [{True}]


def test_a_file_says_how_large_the_latents_of_its_pictures_are(rows, encoded):
    _, tables = pack("train-00001", rows, encoded, {})
    sums = LatentSums(**json.loads(tables["latents"][0].schema.metadata[b"latent_sums"]))
    assert sums == LatentSums.of(encoded.mean[0, GOOD], encoded.std[0, GOOD])


def test_a_shard_of_rejects_has_no_file_of_latents(rows, encoded):
    void = encoded._replace(rejected=dict.fromkeys(range(COUNT), BAD[3]))
    record, tables = pack("train-00001", rows, void, {})
    assert record.kept == 0
    assert tables["latents"] == []
    assert tables["rejects"][0].num_rows == COUNT


@pytest.fixture
def config(tmp_path, rows, encoded) -> LatentsConfig:
    """Write a corpus of one shard, and its latents as they should be."""
    config = LatentsConfig(input=str(tmp_path / "corpus"), output=str(tmp_path / "latents"), flips=True)
    Folder(config.input).write_tables("rgbd/train/00001.parquet", [rows])
    output = Folder(config.output)
    claim(output, "run", {})
    commit_shard(output, "run", *pack("train-00001", rows, encoded, {}), {"latents": OPTIONS})
    return config


def fault(config: LatentsConfig) -> str:
    marker = Folder(config.output).read("_state/shards/train-00001.json").decode()
    item = {"source": "rgbd/train/00001.parquet", "row_group": -1, "record": marker}
    (found,) = audit_of(config).check(pa.Table.from_pylist([item])).to_pylist()
    assert found["name"] == "train-00001"
    return found["fault"]


def test_a_shard_that_holds_its_rows_once_is_right(config):
    assert fault(config) == ""


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (range(1, 136), "70 rows planned, 69 found"),
        ([0, *range(136)], "70 rows planned, 71 found"),
        ([1, *range(1, 136)], "70 rows planned, 70 found"),
        (range(135), "67 mirror images of 68 pictures"),
        (range(68), "0 mirror images of 68 pictures"),
        ([*range(135), 134], "68 mirror images of 68 pictures"),
    ],
)
def test_missing_and_doubled_rows_are_found(config, places, found):
    table = pq.read_table(f"{config.output}/latents/train/00001.parquet")
    Folder(config.output).write_tables("latents/train/00001.parquet", [table.take(pa.array(list(places)))])
    assert fault(config) == found


def test_a_marker_that_tells_other_rejects_than_the_files_is_found(config):
    output = Folder(config.output)
    file = "_state/shards/train-00001.json"
    told = output.read_json(file)
    assert told["rejected"] == {"decode_failed": 1, "encode_failed": 1}
    output.write(file, json.dumps(told | {"rejected": {"decode_failed": 2}}).encode())
    found = "68 kept and {'decode_failed': 1, 'encode_failed': 1} in its files, 68 and {'decode_failed': 2} by its"
    assert fault(config) == f"{found} marker"


def test_rows_that_are_neither_kept_nor_rejected_are_found(config):
    Folder(config.output).delete("rejects")
    assert fault(config) == "70 rows planned, 68 found"


def test_mirror_images_that_nobody_wants_are_found(config):
    plain = LatentsConfig(input=config.input, output=config.output, flips=False)
    assert fault(plain) == "68 mirror images of 68 pictures"
