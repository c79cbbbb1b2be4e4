"""Captions become CLIP's token ids and states, as the pipelines of diffusers make them."""

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from ldm3d.models.text import EMPTY_CAPTION, encode, tokenise
from ldm3d.toy.diffusion_model import make_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(["a", "blue", "cube", "red"], length=8)


@pytest.fixture(scope="module")
def text_encoder(tokenizer):
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=8,
        eos_token_id=tokenizer.eos_token_id,
    )
    return CLIPTextModel(config).eval()


def test_a_caption_is_framed_and_padded_with_end_tokens(tokenizer):
    ids = tokenise(tokenizer, ["A red CUBE", EMPTY_CAPTION])
    assert (ids.shape, ids.dtype) == ((2, 8), torch.int64)
    start, a, red, cube, end = tokenizer.convert_tokens_to_ids(
        ["<|startoftext|>", "a</w>", "red</w>", "cube</w>", "<|endoftext|>"]
    )
    assert ids.tolist() == [[start, a, red, cube, end, end, end, end], [start] + [end] * 7]


def test_a_long_caption_keeps_its_beginning_and_an_end_token(tokenizer):
    ids = tokenise(tokenizer, ["a red cube a blue cube a red cube"])
    assert tokenizer.decode(ids[0], skip_special_tokens=True) == "a red cube a blue cube"
    assert ids[0, -1] == tokenizer.eos_token_id


def test_a_caption_is_encoded_alike_in_any_company(tokenizer, text_encoder):
    captions = ["a red cube", "a blue cube", EMPTY_CAPTION]
    with torch.no_grad():
        together = encode(text_encoder, tokenise(tokenizer, captions))
        alone = torch.cat([encode(text_encoder, tokenise(tokenizer, [caption])) for caption in captions])
    assert together.shape == (3, 8, 16)
    torch.testing.assert_close(together, alone)
    assert not torch.allclose(together[0], together[1])


def test_states_are_the_last_layers_after_its_norm_and_see_only_what_came_before(tokenizer, text_encoder):
    ids = tokenise(tokenizer, ["a red cube", "a red a"])
    with torch.no_grad():
        states = encode(text_encoder, ids)
        every_layer = text_encoder(ids, output_hidden_states=True).hidden_states
    torch.testing.assert_close(states, text_encoder.final_layer_norm(every_layer[-1]))
    torch.testing.assert_close(states[0, :3], states[1, :3])
    assert not torch.allclose(states[0, 3:], states[1, 3:])


def test_padding_is_read_not_masked(tokenizer, text_encoder):
    ids = tokenise(tokenizer, ["a red cube"])
    other = ids.clone()
    other[0, 5] = tokenizer.convert_tokens_to_ids("blue</w>")
    with torch.no_grad():
        assert not torch.allclose(encode(text_encoder, ids)[0, -1], encode(text_encoder, other)[0, -1])
