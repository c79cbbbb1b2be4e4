"""Encoded captions are those of the text encoder to the rounding of float16, whatever the batch."""

import copy

import numpy as np
import pyarrow as pa
import pytest
import torch

from ldm3d.config import EncodeConfig, ModelConfig
from ldm3d.encoding.caption_encoder import CaptionEncoder
from ldm3d.encoding.latent_encoder import LatentEncoder
from ldm3d.encoding.row_encoder import RowEncoder
from ldm3d.models.base import load_autoencoder, load_text
from ldm3d.models.text import encode, fingerprint_of_text, tokenise
from ldm3d.toy.corpus import scene_rows

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def text(toy_base):
    return load_text(ModelConfig(base=str(toy_base)))


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return scene_rows(range(11), "train", size=16)


def test_captions_in_batches_are_those_of_the_text_encoder(text, rows):
    captions = rows["caption"].to_pylist()
    found = CaptionEncoder(*text, batch_size=4)(captions)
    with torch.no_grad():
        wanted = encode(text[0], tokenise(text[1], captions))
    assert (found.dtype, found.shape) == (np.float16, tuple(wanted.shape))
    torch.testing.assert_close(torch.from_numpy(found).float(), wanted, rtol=2**-11, atol=1e-5)


def test_a_caption_does_not_depend_on_its_neighbours(text, rows):
    captions, encoder = rows["caption"].to_pylist(), CaptionEncoder(*text, batch_size=4)
    assert np.array_equal(encoder(captions)[9:], encoder(captions[9:]))


def test_a_caption_beyond_float16_is_a_reject(text, rows, toy_base):
    loud = copy.deepcopy(text[0])
    loud.final_layer_norm.weight.data *= 1e6
    vae = load_autoencoder(ModelConfig(base=str(toy_base)))
    pictures = LatentEncoder(vae, EncodeConfig(batch_size=4, precision="fp32"))
    encoded = RowEncoder(pictures, 16, (4, 4, 4), CaptionEncoder(loud, text[1], batch_size=4))(rows, flips=False)
    assert encoded.rejected.keys() == set(range(11))
    assert "caption is beyond float16" in encoded.rejected[0].detail


def test_a_text_encoder_is_known_by_weights_words_and_length(text, toy_base):
    text_encoder, tokenizer = text
    known = fingerprint_of_text(text_encoder, tokenizer)
    assert known == fingerprint_of_text(*load_text(ModelConfig(base=str(toy_base))))
    other = copy.deepcopy(text_encoder)
    other.final_layer_norm.weight.data += 1
    assert fingerprint_of_text(other, tokenizer) != known
    short = copy.deepcopy(tokenizer)
    short.model_max_length -= 1
    assert fingerprint_of_text(text_encoder, short) != known
