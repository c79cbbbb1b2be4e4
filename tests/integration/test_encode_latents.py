"""The latents stage as a user runs it: every row once, resumed, the same on any number of actors."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ldm3d.config import ActorsConfig, EncodeConfig, LatentsConfig, ModelConfig, TextConfig, TrainedAutoencoderConfig
from ldm3d.data.latent_sums import LatentSums
from ldm3d.data.latents import decode_latents_rows, decode_text_rows
from ldm3d.data.pictures import decode_rgbd
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.base import load_autoencoder, load_text
from ldm3d.models.text import encode, fingerprint_of_text, tokenise
from ldm3d.schema import IMAGE
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.diffusion_model import make_base_model
from pipelines.encode_latents import encode_latents
from pipelines.latents.corpus_shards import CorpusShards
from pipelines.latents.encode_shards import COLUMNS
from pipelines.latents.finish import finished_summary
from pipelines.storage.folder import Folder
from pipelines.storage.models import open_autoencoder

SHARDS = {"train/00000": 41, "train/00001": 9, "train/00007": 10, "val/00000": 5}
BROKEN, PLACE = "train/00001", 3  # a row whose picture does not decode


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> LatentsConfig:
    """A corpus of scenes of 16 x 16 pixels, without `_state/`, and autoencoders with random weights."""
    root = tmp_path_factory.mktemp("latents")
    corpus, first = Folder(str(root / "corpus")), 0
    for name, count in SHARDS.items():
        rows = scene_rows(range(first, first + count), name.split("/")[0], size=16)
        if name == BROKEN:
            images = rows["image"].to_pylist()
            images[PLACE]["bytes"] = b"not a picture"
            rows = rows.set_column(
                rows.column_names.index("image"), rows.schema.field("image"), pa.array(images, IMAGE)
            )
        corpus.write_tables(f"rgbd/{name}.parquet", [rows.slice(start, 4) for start in range(0, count, 4)])
        first += count
    corpus.write("_SUCCESS.json", json.dumps({"rows_kept": first}).encode())
    make_base_model(root / "base")
    for name, depth_input in (("autoencoder", "rgb_mean"), ("other", "zero")):
        vae = load_autoencoder(ModelConfig(base=str(root / "base"), depth_input=depth_input))
        vae.save_pretrained(root / name / "vae")
    return LatentsConfig(
        input=corpus.url,
        output=str(root / "made"),
        flips=True,
        model=TrainedAutoencoderConfig(autoencoder=str(root / "autoencoder")),
        text=TextConfig(base=str(root / "base")),
        encode=EncodeConfig(batch_size=8, precision="fp32"),
        cluster=ActorsConfig(no_progress_timeout_s=120),
    )


@pytest.fixture(scope="module")
def made(config) -> dict[str, Any]:
    return encode_latents(config)


def keys_of(config: LatentsConfig, name: str) -> list[int]:
    return pq.read_table(f"{config.input}/rgbd/{name}.parquet", columns=["key"])["key"].to_pylist()


def contents(folder: str) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in Path(folder).rglob("*.parquet")}


def times(folder: str) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in Path(folder).rglob("*.*")}


def test_every_row_of_the_corpus_is_there_once_with_its_mirror_image_or_rejected(config, made):
    for name in SHARDS:
        keys = keys_of(config, name)
        if name == BROKEN:
            (reject,) = pq.read_table(f"{config.output}/rejects/{name}.parquet").to_pylist()
            assert (reject["key"], reject["stage"], reject["reason"]) == (keys.pop(PLACE), "encode", "decode_failed")
        rows = pq.read_table(f"{config.output}/latents/{name}.parquet", columns=["key", "flipped"]).to_pylist()
        views = (False, True) if name.startswith("train") else (False,)
        assert [(row["key"], row["flipped"]) for row in rows] == [(key, view) for view in views for key in keys]
    assert (made["rows_read"], made["rows_kept"], made["rows_rejected"]) == (65, 64, {"decode_failed": 1})
    assert made["splits"] == {"train": 2 * 59, "val": 5}
    assert len(contents(config.output)) == len(SHARDS) + 1


def test_latents_are_the_posteriors_of_diffusers_not_scaled(config, made):
    pictures = decode_rgbd(pq.read_table(f"{config.input}/rgbd/val/00000.parquet")).to_tensor(6)
    with torch.no_grad():
        wanted = open_autoencoder(config.model.autoencoder).encode(pictures).latent_dist
    found = decode_latents_rows(pq.read_table(f"{config.output}/latents/val/00000.parquet"))
    torch.testing.assert_close(found.mean.float(), wanted.mean, rtol=2**-11, atol=1e-5)
    torch.testing.assert_close(found.std.float(), wanted.std, rtol=2**-11, atol=1e-5)


def test_captions_are_encoded_as_the_text_encoder_does_it_the_same_for_mirror_images(config, made):
    text_encoder, tokenizer = load_text(ModelConfig(base=config.text.base))
    rows = pq.read_table(f"{config.output}/latents/train/00007.parquet")
    with torch.no_grad():
        wanted = encode(text_encoder, tokenise(tokenizer, rows["caption"].to_pylist()))
    torch.testing.assert_close(decode_text_rows(rows).float(), wanted, rtol=2**-11, atol=1e-5)
    assert made["text"]["shape"] == list(wanted.shape[1:])
    assert made["text"]["fingerprint"] == fingerprint_of_text(text_encoder, tokenizer)


def test_the_success_marker_says_what_training_has_to_know(config, made):
    assert json.loads(Path(config.output, "_SUCCESS.json").read_text()) == made
    vae = open_autoencoder(config.model.autoencoder)
    assert made["autoencoder"]["model"] == config.model.autoencoder
    assert made["autoencoder"]["fingerprint"] == fingerprint_of_network(vae)
    assert made["latent_shape"] == [4, 4, 4]
    files = [pq.read_table(file) for file in Path(config.output, "latents/train").iterdir()]
    rows = pa.concat_tables(file.filter(pa.compute.invert(file["flipped"])) for file in files)
    latents = decode_latents_rows(rows)
    std = LatentSums.of(latents.mean.numpy(), latents.std.numpy()).std
    assert made["latent_std"] == pytest.approx(std)
    assert made["scaling_factor_measured"] == pytest.approx(1 / std)


def test_a_person_sees_pictures_beside_their_decoded_latents(config, made):
    sheet = cv2.imread(f"{config.output}/latents.png")
    assert sheet.std() > 10
    assert "118" in Path(config.output, "README.md").read_text()


def test_it_opens_in_hugging_face_datasets(config, made, tmp_path):
    opened = datasets.load_dataset(config.output, cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in opened.items()} == {"train": 118, "validation": 5}
    row = opened["validation"][0]
    assert row["flipped"] is False
    assert np.frombuffer(row["mean"], "<f2").size == 4 * 4 * 4


def test_a_finished_run_does_nothing_when_it_is_run_again(config, made):
    before = times(config.output)
    assert encode_latents(config) == made
    assert times(config.output) == before


@pytest.mark.parametrize("lost", ["README.md", "latents.png"])
def test_without_its_card_or_picture_it_is_not_finished(config, made, tmp_path, lost):
    output, shards = shutil.copytree(config.output, tmp_path / "copy"), CorpusShards.of(config.input, COLUMNS).shards
    assert finished_summary(Folder(str(output)), shards) == made
    (output / lost).unlink()
    assert finished_summary(Folder(str(output)), shards) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"flips": False}, r"--flips was on, is off \(--no-flips\)"),
        ({"text": TextConfig()}, "--text.base was given, is None"),
        ({"encode": EncodeConfig(batch_size=4, precision="fp32")}, "--encode.batch-size was 8, is 4"),
        ({"model": "other"}, "--model.autoencoder is another model than then"),
        ({"input": "another"}, "--input holds something else than then"),
    ],
)
def test_other_settings_another_autoencoder_or_corpus_are_refused(config, made, tmp_path, change, named):
    if "model" in change:
        change = {"model": TrainedAutoencoderConfig(autoencoder=str(Path(config.input).parent / "other"))}
    if "input" in change:
        other = Folder(str(shutil.copytree(config.input, tmp_path / "corpus")))
        other.write_tables("rgbd/val/00000.parquet", [scene_rows(range(900, 905), "val", size=16)])
        change = {"input": other.url}
    with pytest.raises(ValueError, match=f"--output .*: {named}"):
        encode_latents(replace(config, **change))


def test_a_run_that_lost_shards_does_these_again_alike_on_two_actors(config, made, tmp_path):
    output = str(shutil.copytree(config.output, tmp_path / "copy"))
    Folder(output).delete("_state/shards/train-00000.json")
    Folder(output).delete("latents/train/00001.parquet")
    Folder(output).delete("rejects/train/00001.parquet")
    Folder(output).write("latents/val/00000.parquet", b"PAR1 cut short")
    before = times(output)
    two = replace(config, output=output, cluster=replace(config.cluster, gpus=0, actors=2))
    assert encode_latents(two) == made
    assert contents(output) == contents(config.output)
    assert times(output)["latents/train/00007.parquet"] == before["latents/train/00007.parquet"]


def test_an_autoencoder_on_an_object_store_is_the_same(config, s3):
    url = "s3://runs/autoencoder"
    Folder(url).fs.mkdir("runs")
    for file in Path(config.model.autoencoder, "vae").iterdir():
        Folder(url).write(f"vae/{file.name}", file.read_bytes())
    assert fingerprint_of_network(open_autoencoder(url)) == fingerprint_of_network(
        open_autoencoder(config.model.autoencoder)
    )
    with pytest.raises(ValueError, match="there is no vae/ in"):
        open_autoencoder(f"{url}-elsewhere")


def test_pictures_that_do_not_divide_into_latents_and_overlapping_folders_are_refused(config, tmp_path):
    corpus = Folder(str(tmp_path / "corpus"))
    corpus.write_tables("rgbd/train/00000.parquet", [scene_rows(range(2), "train", size=18)])
    corpus.write("_SUCCESS.json", b"{}")
    odd = replace(config, input=corpus.url, output=str(tmp_path / "latents"))
    with pytest.raises(ValueError, match="pictures of 18 pixels, wanted a multiple of 4"):
        encode_latents(odd)
    with pytest.raises(ValueError, match="overlap"):
        encode_latents(replace(odd, output=f"{corpus.url}/latents"))
    assert not Path(odd.output).exists()
