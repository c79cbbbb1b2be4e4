"""The toy base is a small Stable Diffusion: real classes, real files, and a text encoder that is useful untrained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from ldm3d.models.text import encode, tokenise
from ldm3d.toy.diffusion_model import make_base_model, make_tokenizer, scene_words
from ldm3d.toy.scenes import COLOURS, FLOORS, SHAPES, SKIES, Scene

SCENES = [Scene.from_seed(seed) for seed in range(5_000, 6_000)]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(toy_base):
    return toy_base


@pytest.fixture(scope="module")
def pipeline(folder):
    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def contents(folder: Path):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_same_seed_makes_the_same_files_and_another_makes_others(folder, tmp_path):
    for name, seed in (("again", 0), ("other", 1)):
        make_base_model(tmp_path / name, seed)
    made, again, other = (contents(path) for path in (folder, tmp_path / "again", tmp_path / "other"))
    assert made == again
    differ = {name for name in made if made[name] != other[name]}
    assert differ == {name for name in made if name.endswith(".safetensors")}
    assert len(differ) == 3


def test_making_it_leaves_torchs_random_state_alone(tmp_path):
    state = torch.get_rng_state()
    make_base_model(tmp_path / "base")
    assert torch.equal(torch.get_rng_state(), state)


def test_it_runs_as_stable_diffusion_on_32_by_32_pixels(pipeline):
    image = pipeline("a red cube", num_inference_steps=1, output_type="np").images
    assert image.shape == (1, 32, 32, 3)
    latent = pipeline("a red cube", num_inference_steps=1, output_type="latent").images
    assert latent.shape == (1, 4, 8, 8)


def test_it_is_small(pipeline):
    networks = (pipeline.vae, pipeline.unet, pipeline.text_encoder)
    sizes = [sum(weights.numel() for weights in network.parameters()) for network in networks]
    assert sizes == [681_911, 3_918_532, 71_552]


def test_every_word_of_a_caption_is_one_token_and_every_caption_fits(pipeline):
    for caption in {scene.caption for scene in SCENES}:
        tokens = pipeline.tokenizer.convert_ids_to_tokens(pipeline.tokenizer(caption).input_ids)
        assert tokens == ["<|startoftext|>", *(f"{word}</w>" for word in caption.split()), "<|endoftext|>"]
        assert len(tokens) <= pipeline.tokenizer.model_max_length


def test_other_words_are_spelt_and_come_back_as_they_were(pipeline):
    caption = "two grey dogs, redder than oranges, by a café"
    ids = pipeline.tokenizer(caption).input_ids
    assert pipeline.tokenizer.decode(ids, skip_special_tokens=True) == caption.replace(",", " ,")


def test_words_that_share_beginnings_and_repeat_letters_are_one_token_each():
    words = ["a", "an", "banana", "ban", "band", "nan", "anna", "aa", "aaa", "aaaa"]
    tokenizer = make_tokenizer(words)
    assert tokenizer.tokenize(" ".join(words)) == [f"{word}</w>" for word in words]


def test_the_tokenizer_is_the_same_from_its_two_old_files(folder, pipeline, tmp_path):
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / "tokenizer" / name).read_bytes())
    captions = [scene.caption for scene in SCENES[:50]] + ["two grey dogs, redder than oranges"]
    old = CLIPTokenizer.from_pretrained(tmp_path)
    assert torch.equal(tokenise(old, captions), tokenise(pipeline.tokenizer, captions))


def test_scene_words_are_those_of_all_captions():
    assert set(scene_words()) == {word for scene in SCENES for word in scene.caption.split()}
    assert {*COLOURS, *FLOORS, *SHAPES, *SKIES} <= set(scene_words())


@pytest.mark.parametrize(
    "fact",
    [
        lambda scene: scene.sky,
        lambda scene: scene.floor,
        lambda scene: scene.objects[0].colour,
        lambda scene: scene.objects[-1].colour,
        lambda scene: scene.objects[0].shape,
    ],
    ids=["sky", "floor", "left colour", "right colour", "left shape"],
)
def test_what_a_caption_says_can_be_read_off_its_states_by_a_linear_probe(pipeline, fact):
    with torch.no_grad():
        states = encode(pipeline.text_encoder, tokenise(pipeline.tokenizer, [scene.caption for scene in SCENES]))
    # the mean over positions: word order can be read from the states only
    probe = np.c_[states.mean(1).double().numpy(), np.ones(len(SCENES))]
    answers = sorted({fact(scene) for scene in SCENES})
    wanted = np.array([answers.index(fact(scene)) for scene in SCENES])
    train, test = slice(0, 600), slice(600, None)
    weights = np.linalg.lstsq(probe[train], np.eye(len(answers))[wanted[train]], rcond=None)[0]
    right = (probe[test] @ weights).argmax(1) == wanted[test]
    assert right.mean() > 0.95
