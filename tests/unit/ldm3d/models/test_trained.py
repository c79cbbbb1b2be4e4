"""A trained autoencoder is opened on its own, from a folder or a URL, and refused if it does not fit."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldm3d.config import ModelConfig
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.base import load_autoencoder, load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.models.source import Source
from ldm3d.models.trained import load_any_autoencoder, load_trained_autoencoder
from pipelines.storage.models import open_autoencoder

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def made(toy_base, tmp_path_factory):
    """The output of `train_autoencoder`: `vae/` and no model_index.json."""
    folder = tmp_path_factory.mktemp("trained")
    load_autoencoder(ModelConfig(base=str(toy_base), depth_input="rgb_mean")).save_pretrained(folder / "vae")
    return folder


@pytest.fixture
def trained(made, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(made, tmp_path / "trained")


@pytest.mark.parametrize("channels", [6, 4])
def test_the_autoencoder_of_a_whole_model_is_opened(toy_base, tmp_path, channels):
    whole = load_base(ModelConfig(base=str(toy_base), channels=channels))
    save_pipeline(tmp_path / "model", whole)
    assert fingerprint_of_network(open_autoencoder(str(tmp_path / "model"))) == fingerprint_of_network(whole.vae)


def test_the_folder_of_a_training_is_opened_in_float32_and_evaluation_mode(made):
    vae = open_autoencoder(str(made))
    assert vae.config["in_channels"] == 6
    assert vae.dtype == torch.float32
    assert not vae.training


def test_a_url_is_the_same_as_its_folder(made):
    assert fingerprint_of_network(open_autoencoder(f"file://{made}")) == fingerprint_of_network(
        open_autoencoder(str(made))
    )


def test_an_autoencoder_of_rgb_is_refused_with_what_to_give(toy_base):
    with pytest.raises(ValueError, match=r"model\.autoencoder .* 3 channels in and 3 out, wanted 6 or 4"):
        open_autoencoder(str(toy_base))


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder_without_an_autoencoder_is_refused_by_name(tmp_path, prefix):
    with pytest.raises(ValueError, match=f"model.autoencoder '{prefix}{tmp_path}"):
        open_autoencoder(f"{prefix}{tmp_path}")


@pytest.mark.parametrize("load", [load_trained_autoencoder, load_any_autoencoder])
def test_a_training_that_is_not_done_is_named(tmp_path, load):
    (tmp_path / "config.json").write_text('{"stage": "train_autoencoder"}')
    with pytest.raises(ValueError, match=r"no vae/ in it, .* run that training's command again"):
        load(Source("--model.autoencoder", str(tmp_path)))


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_weights_that_are_missing_or_cut_short_are_refused(trained, prefix):
    weights = load_file(trained / WEIGHTS)
    gone = weights.pop(sorted(weights)[0])
    save_file(weights, trained / WEIGHTS, metadata={"format": "pt"})
    assert gone.numel()
    with pytest.raises(ValueError, match=rf"model.autoencoder '{prefix}{trained}.* lacks weights \(1, "):
        open_autoencoder(f"{prefix}{trained}")
    (trained / WEIGHTS).write_bytes((trained / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"model.autoencoder '{prefix}{trained}.* did not load"):
        open_autoencoder(f"{prefix}{trained}")


def test_another_kind_of_autoencoder_and_shifted_latents_are_refused(trained):
    config = trained / "vae/config.json"
    before = json.loads(config.read_text())
    for change, message in (
        ({"_class_name": "AutoencoderTiny"}, "is AutoencoderTiny, wanted AutoencoderKL"),
        ({"shift_factor": 0.1}, "has shift_factor 0.1"),
    ):
        config.write_text(json.dumps(before | change))
        with pytest.raises(ValueError, match=message):
            open_autoencoder(str(trained))
