"""A saved model is whole, the same to the byte each time, and open to old and new readers."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionLDM3DPipeline, StableDiffusionPipeline
from safetensors import safe_open
from transformers import CLIPTokenizer

from ldm3d.config import ModelConfig
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.autoencoder import decode, encode
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.models.text import encode as encode_text
from ldm3d.models.text import tokenise
from ldm3d.toy.diffusion_model import make_tokenizer

CAPTIONS = ["a red cube on a white floor at night", "two grey dogs", ""]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base(toy_base):
    return toy_base


@pytest.fixture(scope="module", params=[6, 4])
def components(base, request):
    return load_base(ModelConfig(base=str(base), channels=request.param))


@pytest.fixture(scope="module")
def folder(components, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "ldm3d"
    save_pipeline(folder, components)
    return folder


def contents(folder: Path):
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def weight_names(file: Path):
    with safe_open(file, "pt") as weights:
        return set(weights.keys())


def test_what_is_loaded_again_is_equal_bit_for_bit(components, folder):
    loaded = load_base(ModelConfig(base=str(folder), channels=components.vae.config.in_channels))
    for part in ("vae", "unet", "text_encoder"):
        before, after = (getattr(each, part).state_dict() for each in (components, loaded))
        assert list(before) == list(after)
        assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(tokenise(loaded.tokenizer, CAPTIONS), tokenise(components.tokenizer, CAPTIONS))
    assert loaded.scheduler.config == components.scheduler.config


def test_the_same_weights_make_the_same_bytes_wherever_they_came_from(components, folder, tmp_path):
    save_pipeline(tmp_path / "again", components)
    loaded = load_base(ModelConfig(base=str(folder), channels=components.vae.config.in_channels))
    save_pipeline(tmp_path / "loaded", loaded)
    assert contents(tmp_path / "again") == contents(folder)
    assert contents(tmp_path / "loaded") == contents(folder)


def test_files_are_those_of_intels_checkpoints_and_of_readers_old_and_new(folder):
    assert set(contents(folder)) == {
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionLDM3DPipeline"
    assert index["safety_checker"] == index["feature_extractor"] == [None, None]
    names = weight_names(folder / "text_encoder" / "model.safetensors")
    assert all(name.startswith("text_model.") for name in names)
    assert "text_model.embeddings.token_embedding.weight" in names


def test_the_noise_schedule_is_stable_diffusions(folder):
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    wanted = {
        "_class_name": "DDIMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "prediction_type": "epsilon",
    }
    assert wanted.items() <= scheduler.items()


def test_nothing_tells_where_the_model_was_made(base, folder):
    assert [name for name, content in contents(folder).items() if str(base.parent).encode() in content] == []
    assert [name for name, content in contents(folder).items() if b"_name_or_path" in content] == []


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_whoever_may_read_the_configuration_may_read_the_weights(folder):
    assert len({file.stat().st_mode for file in folder.rglob("*") if file.is_file()}) == 1


def test_the_tokenizer_is_the_same_from_vocab_and_merges_alone(components, folder, tmp_path):
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / "tokenizer" / name).read_bytes())
    old = CLIPTokenizer.from_pretrained(tmp_path)
    assert torch.equal(tokenise(old, CAPTIONS), tokenise(components.tokenizer, CAPTIONS))


def test_another_padding_survives_as_stable_diffusion_2_needs(components, tmp_path):
    tokenizer = make_tokenizer(["red", "cube"])
    tokenizer.pad_token = "!"
    save_pipeline(tmp_path / "saved", replace(components, tokenizer=tokenizer))
    loaded = CLIPTokenizer.from_pretrained(tmp_path / "saved" / "tokenizer")
    assert torch.equal(tokenise(loaded, CAPTIONS), tokenise(tokenizer, CAPTIONS))
    assert tokenise(loaded, ["red cube"])[0, -1] == tokenizer.convert_tokens_to_ids("!")


@pytest.mark.parametrize("pipeline_class", [StableDiffusionLDM3DPipeline, StableDiffusionPipeline])
def test_the_pipelines_of_diffusers_open_it_and_see_what_we_see(components, folder, pipeline_class):
    pipeline = pipeline_class.from_pretrained(folder, safety_checker=None, local_files_only=True)
    channels = components.vae.config.in_channels
    seen = torch.rand(1, channels, 32, 32) * 2 - 1
    with torch.no_grad():
        latents = pipeline.vae.encode(seen).latent_dist.mean
        assert torch.equal(encode(components.vae, seen).mean, latents)
        assert torch.equal(decode(components.vae, latents), pipeline.vae.decode(latents).sample)
        theirs, nothing = pipeline.encode_prompt(CAPTIONS[0], "cpu", 1, do_classifier_free_guidance=True)
        ours = encode_text(components.text_encoder, tokenise(components.tokenizer, [CAPTIONS[0], ""]))
    assert torch.equal(ours, torch.cat([theirs, nothing]))
    pipeline.set_progress_bar_config(disable=True)
    image = StableDiffusionPipeline(**pipeline.components)(CAPTIONS[0], num_inference_steps=1, output_type="np").images
    assert image.shape == (1, 32, 32, channels)


def test_weights_that_were_trained_channels_last_are_saved(components, tmp_path):
    vae = load_base(ModelConfig(base=str(save(components, tmp_path / "a")), channels=channels_of(components))).vae
    save_pipeline(tmp_path / "b", replace(components, vae=vae.to(memory_format=torch.channels_last)))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_folder_with_anything_in_it_is_left_alone(components, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=f"{tmp_path} is not empty"):
        save_pipeline(tmp_path, components)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_save_that_fails_leaves_nothing_behind(components, tmp_path):
    with pytest.raises(AttributeError):
        save_pipeline(tmp_path / "deep" / "saved", replace(components, tokenizer=None))
    assert contents(tmp_path) == {}
    assert not any((tmp_path / "deep").iterdir())


def test_a_fingerprint_is_of_the_weights_not_of_how_they_are_kept(components, folder):
    loaded = load_base(ModelConfig(base=str(folder), channels=channels_of(components)))
    assert fingerprint_of_network(loaded.vae.to(memory_format=torch.channels_last)) == fingerprint_of_network(
        components.vae
    )
    assert fingerprint_of_network(loaded.text_encoder) == fingerprint_of_network(components.text_encoder)
    bias = loaded.vae.decoder.conv_out.bias
    with torch.no_grad():
        bias[0] = torch.nextafter(bias[0], torch.tensor(9.0))
    assert fingerprint_of_network(loaded.vae) != fingerprint_of_network(components.vae)


def save(components, folder):
    save_pipeline(folder, components)
    return folder


def channels_of(components):
    return components.vae.config.in_channels
