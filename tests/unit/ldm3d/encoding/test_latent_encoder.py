"""Latents are those of diffusers' own encoder to the rounding of float16; what cannot be encoded is rejected."""

import copy

import numpy as np
import pyarrow as pa
import pytest
import torch

from ldm3d.config import EncodeConfig, ModelConfig
from ldm3d.data.pictures import Pictures, decode_rgbd
from ldm3d.encoding.latent_encoder import LatentEncoder
from ldm3d.encoding.row_encoder import RowEncoder
from ldm3d.models.base import load_autoencoder
from ldm3d.schema import IMAGE
from ldm3d.toy.corpus import scene_rows

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE, SHAPE = 16, (4, 4, 4)
COUNT, BATCH = 11, 4


@pytest.fixture(scope="module")
def vae(toy_base):
    """Makes copies of a six-channel autoencoder with random weights, as encoders keep theirs."""
    made = load_autoencoder(ModelConfig(base=str(toy_base), depth_input="rgb_mean"))
    return lambda: copy.deepcopy(made)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return scene_rows(range(COUNT), "train", size=SIZE)


def encoder(vae, precision="fp32", batch=BATCH) -> LatentEncoder:
    return LatentEncoder(vae, EncodeConfig(batch_size=batch, precision=precision))


def row_encoder(vae, batch=BATCH) -> RowEncoder:
    return RowEncoder(encoder(vae, batch=batch), SIZE, SHAPE)


def first(pictures: Pictures, start: int, stop: int) -> Pictures:
    return Pictures(*(part[start:stop] for part in pictures))


@torch.no_grad()
def theirs(vae, pictures: Pictures):
    return vae.encode(pictures.to_tensor(6)).latent_dist


def close(got: np.ndarray, wanted: torch.Tensor) -> None:
    """Allow half a unit in the last place of float16, and what the shape of a batch changes in float32."""
    torch.testing.assert_close(torch.from_numpy(got).float(), wanted, rtol=2**-11 + 1e-5, atol=2**-25 + 1e-5)


def test_mean_and_std_are_those_of_diffusers_rounded_to_float16(vae, rows):
    pictures, encoded = decode_rgbd(rows), row_encoder(vae())(rows, flips=False)
    wanted = theirs(vae(), pictures)
    assert encoded.mean.dtype == encoded.std.dtype == np.float16
    assert encoded.mean.shape == encoded.std.shape == (1, COUNT, *SHAPE)
    close(encoded.mean[0], wanted.mean)
    close(encoded.std[0], wanted.std)
    assert not encoded.rejected
    assert encoded.device_s > 0


def test_a_flipped_latent_is_exactly_that_of_the_mirrored_picture(vae, rows):
    encode, pictures = encoder(vae()), first(decode_rgbd(rows), 0, BATCH)
    mirrored = Pictures(pictures.image.flip(2), torch.from_numpy(pictures.depth.numpy()[:, :, ::-1].copy()))
    flipped, wanted = encode(pictures, flipped=True), encode(mirrored)
    assert np.array_equal(flipped.mean, wanted.mean)
    assert np.array_equal(flipped.std, wanted.std)
    assert not np.array_equal(flipped.mean, encode(pictures).mean)


def test_a_latent_does_not_depend_on_the_company_that_its_picture_is_in(vae, rows):
    encode, pictures = encoder(vae()), decode_rgbd(rows)
    together = encode(first(pictures, 0, BATCH))
    for start in range(BATCH):  # other places, and fewer neighbours, down to none
        fewer = encode(first(pictures, start, BATCH))
        assert np.array_equal(together.mean[start:], fewer.mean)
        assert np.array_equal(together.std[start:], fewer.std)


def test_a_mean_beyond_float16_is_not_finite_and_says_nothing_of_its_neighbours(vae, rows):
    wide = vae()
    with torch.no_grad():  # the first latent channel becomes 1e7 x that of the picture
        wide.quant_conv.weight[0] *= 1e7
    pictures = first(decode_rgbd(rows), 0, 2)
    assert not encoder(wide)(pictures).is_finite.any()
    assert encoder(vae())(pictures).is_finite.all()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_is_near_float32(vae, rows, precision):
    pictures = first(decode_rgbd(rows), 0, BATCH)
    exact, half = (encoder(vae(), each)(pictures).mean.astype(np.float32) for each in ("fp32", precision))
    assert 0 < np.abs(exact - half).max() < (0.02 if precision == "fp16" else 0.15)


def test_what_overflows_in_half_precision_is_encoded_again_in_float32(vae, rows):
    loud = vae()
    with torch.no_grad():  # beyond float16 after the first layer; the norm that follows takes the factor out again
        loud.encoder.conv_in.weight *= 1e6
        loud.encoder.conv_in.bias *= 1e6
    pictures = first(decode_rgbd(rows), 0, BATCH)
    exact, half = (encoder(copy.deepcopy(loud), each)(pictures) for each in ("fp32", "fp16"))
    assert half.is_finite.all()
    assert np.array_equal(half.mean, exact.mean)


def spoiled(rows: pa.Table, column: str, place: int, content: bytes) -> pa.Table:
    pictures = rows[column].to_pylist()
    pictures[place] = {"bytes": content, "path": ""}
    return rows.set_column(rows.column_names.index(column), rows.schema.field(column), pa.array(pictures, IMAGE))


def test_rows_that_do_not_decode_are_rejected_in_their_place_and_the_others_are_not_changed(vae, rows):
    other = scene_rows([0], "train", size=2 * SIZE)
    bad = rows
    for column, place, content in (
        ("image", 1, b"not a picture"),
        ("image", 2, b""),
        ("depth", 3, rows["depth"][0].as_py()["bytes"][:40]),
        ("image", 10, other["image"][0].as_py()["bytes"]),
    ):
        bad = spoiled(bad, column, place, content)
    encode = row_encoder(vae())
    whole, found = encode(rows, flips=True), encode(bad, flips=True)
    assert {place: str(each.reason) for place, each in found.rejected.items()} == dict.fromkeys(
        (1, 2, 3, 10), "decode_failed"
    )
    assert "wanted 16 x 16" in found.rejected[10].detail
    good = [place for place in range(COUNT) if place not in found.rejected]
    assert np.array_equal(found.mean[:, good], whole.mean[:, good])
    assert np.array_equal(found.std[:, good], whole.std[:, good])


def test_a_batch_of_which_nothing_decodes_is_all_rejects(vae, rows):
    bad = rows
    for place in range(BATCH):
        bad = spoiled(bad, "image", place, b"")
    found = row_encoder(vae())(bad, flips=False)
    assert sorted(found.rejected) == list(range(BATCH))


def test_a_posterior_that_is_not_finite_is_a_reject(vae, rows):
    broken = vae()
    with torch.no_grad():
        broken.encoder.conv_in.weight[:, 0] = float("nan")
    found = row_encoder(broken)(rows, flips=False)
    assert {str(each.reason) for each in found.rejected.values()} == {"encode_failed"}
    assert len(found.rejected) == COUNT
