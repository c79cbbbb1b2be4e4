"""A base is checked before weights are read, loaded part by part, and never completed with random weights."""

import json
import shutil

import pytest
import torch
from diffusers import PNDMScheduler
from safetensors.torch import load_file, save_file

from ldm3d.config import ModelConfig
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.autoencoder import encode, widen
from ldm3d.models.base import check_base, load_autoencoder, load_base, load_scheduler, load_text, load_unet
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.models.text import encode as encode_text
from ldm3d.models.text import tokenise

PARTS = {"vae": load_autoencoder, "unet": load_unet, "text_encoder": load_text}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(toy_base):
    return toy_base


@pytest.fixture
def base(made, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(made, tmp_path / "base")


def model(folder, **settings):
    return ModelConfig(base=str(folder), **settings)


def edit(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def drop(file, *names):
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k not in names}))


def weights_of(folder, part):
    return folder / part / ("model.safetensors" if part == "text_encoder" else "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize("channels", [6, 4])
@pytest.mark.parametrize("depth_input", ["zero", "rgb_mean"])
@pytest.mark.parametrize("depth_output", ["zero", "rgb_mean"])
def test_an_rgb_autoencoder_is_widened_as_the_settings_say(made, channels, depth_input, depth_output):
    loaded = load_autoencoder(model(made, channels=channels, depth_input=depth_input, depth_output=depth_output))
    rgb = type(loaded).from_pretrained(made, subfolder="vae")
    assert fingerprint_of_network(loaded) == fingerprint_of_network(widen(rgb, channels, depth_input, depth_output))
    assert not loaded.training


@pytest.mark.parametrize("channels", [6, 4])
def test_an_ldm3d_checkpoint_is_taken_as_it_is(made, tmp_path, channels):
    wide = load_base(model(made, channels=channels))
    with torch.no_grad():
        wide.vae.encoder.conv_in.weight.normal_()
    save_pipeline(tmp_path / "ldm3d", wide)
    assert fingerprint_of_network(
        load_autoencoder(model(tmp_path / "ldm3d", channels=channels))
    ) == fingerprint_of_network(wide.vae)


def test_other_channels_than_asked_for_are_refused(made, tmp_path):
    save_pipeline(tmp_path / "ldm3d", load_base(model(made, channels=4)))
    with pytest.raises(
        ValueError, match=r"model\.base .* 4 channels in and 4 out, wanted 3 .* or 6: .* --model\.channels"
    ):
        check_base(model(tmp_path / "ldm3d", channels=6))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_needs_no_weights_but_its_own(base, part):
    for other in set(PARTS) - {part}:
        weights_of(base, other).unlink()
    PARTS[part](model(base))
    weights_of(base, part).unlink()
    with pytest.raises(ValueError, match=f"its {part} did not load"):
        PARTS[part](model(base))


def test_weights_are_float32_unless_asked_for_otherwise(made, tmp_path):
    save_pipeline(tmp_path / "half", load_base(model(made), dtype=torch.float16))
    for settings, dtype in (({}, torch.float32), ({"dtype": torch.bfloat16}, torch.bfloat16)):
        loaded = load_base(model(tmp_path / "half"), **settings)
        assert {loaded.vae.dtype, loaded.unet.dtype, loaded.text_encoder.dtype} == {dtype}


def as_variant(folder):
    for file in list(folder.rglob("*.safetensors")):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))


@pytest.mark.parametrize("place", ["folder", "hub"])
def test_weights_of_which_only_the_half_variant_is_there_are_loaded(made, base, place, tmp_path, monkeypatch):
    as_variant(base)
    name = str(base)
    if place == "hub":  # in its cache, as no hub is asked here
        name, commit, cached = "a/half", "1" * 40, tmp_path / "hub/models--a--half"
        shutil.copytree(base, cached / "snapshots" / commit)
        (cached / "refs").mkdir()
        (cached / "refs/main").write_text(commit)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for load in PARTS.values():
        found, wanted = load(model(name)), load(model(made))
        found, wanted = (each[0] if isinstance(each, tuple) else each for each in (found, wanted))
        assert fingerprint_of_network(found) == fingerprint_of_network(wanted)


def test_whole_weights_are_preferred_and_if_damaged_not_replaced_by_the_variant(made, base):
    others = {name: weight + 1 for name, weight in load_file(weights_of(base, "unet")).items()}
    save_file(others, base / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert fingerprint_of_network(load_unet(model(base))) == fingerprint_of_network(load_unet(model(made)))
    weights_of(base, "unet").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="its unet did not load"):
        load_unet(model(base))


@pytest.mark.parametrize("part", PARTS)
def test_a_file_that_lacks_a_weight_is_refused_not_filled_with_random_numbers(base, part):
    weights = load_file(weights_of(base, part))
    gone = sorted(weights)[0]
    del weights[gone]
    save_file(weights, weights_of(base, part), metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"its {part} lacks weights \(1, {gone.removeprefix('text_model.')} first"):
        PARTS[part](model(base))


@pytest.mark.parametrize("part", PARTS)
def test_a_file_that_was_cut_short_or_is_of_another_model_is_refused(base, part):
    file = weights_of(base, part)
    whole, weights = file.read_bytes(), load_file(file)
    save_file({name: torch.cat([each, each]) for name, each in weights.items()}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"its {part} did not load"):
        PARTS[part](model(base))
    file.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=f"its {part} did not load"):
        PARTS[part](model(base))


@pytest.mark.parametrize("part", PARTS)
def test_pickled_weights_are_not_opened(base, part):
    file = weights_of(base, part)
    torch.save(load_file(file), file.with_name({"text_encoder": "pytorch_model"}.get(part, file.stem) + ".bin"))
    file.unlink()
    with pytest.raises(ValueError, match=f"its {part} did not load"):
        PARTS[part](model(base))


@pytest.mark.parametrize("name", ["nobody/has-this-model", "/there/is/no/such/folder", "not an id"])
def test_a_base_that_is_not_there_is_named_with_the_remedy(name, recwarn):
    with pytest.raises(ValueError, match=rf"(?s)--model.base '{name}'.* did not load .*or a hub id"):
        check_base(ModelConfig(base=name))
    assert not [str(each.message) for each in recwarn if "local_dir" in str(each.message)]  # of diffusers' own call


def test_a_model_that_is_not_given_as_a_base_is_called_by_its_own_flag(tmp_path):
    with pytest.raises(ValueError, match=r"^--text\.base "):
        load_text(ModelConfig(base=str(tmp_path)), setting="--text.base")


def test_what_is_not_stable_diffusion_is_refused_before_any_weights_are_read(base):
    for part in PARTS:
        weights_of(base, part).unlink()
    check_base(model(base))
    wrong = {
        "its unet is missing, wanted UNet2DConditionModel": ("model_index.json", {"unet": None}),
        "its text_encoder is T5EncoderModel": ("model_index.json", {"text_encoder": ["any", "T5EncoderModel"]}),
        "9 channels in": ("unet/config.json", {"in_channels": 9}),
        "reads text of width 2048": ("unet/config.json", {"cross_attention_dim": 2048}),
        "shift_factor 0.1": ("vae/config.json", {"shift_factor": 0.1}),
        "latents_mean": ("vae/config.json", {"latents_mean": [0.0] * 4}),
        "use_attention_mask": ("text_encoder/config.json", {"use_attention_mask": True}),
    }
    for message, (file, values) in wrong.items():
        before = (base / file).read_text()
        edit(base / file, **values)
        with pytest.raises(ValueError, match=rf"model.base .*{message}"):
            check_base(model(base))
        (base / file).write_text(before)
    (base / "model_index.json").unlink()
    with pytest.raises(ValueError, match=r"its model_index.json did not load"):
        check_base(model(base))


def test_a_schedule_of_2022_becomes_the_ddim_of_stable_diffusion(base):
    (base / "scheduler" / "scheduler_config.json").unlink()
    old = PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True)
    old.save_pretrained(base / "scheduler")
    drop(base / "scheduler" / "scheduler_config.json", "steps_offset", "set_alpha_to_one", "prediction_type")
    scheduler = load_scheduler(model(base))
    assert torch.equal(scheduler.alphas_cumprod, old.alphas_cumprod)
    assert (scheduler.config.prediction_type, scheduler.config.timestep_spacing) == ("epsilon", "leading")
    assert (scheduler.config.steps_offset, scheduler.config.clip_sample) == (1, False)
    assert scheduler.final_alpha_cumprod == old.alphas_cumprod[0]


def test_what_the_unet_predicts_is_kept(base):
    edit(base / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    assert load_scheduler(model(base)).config.prediction_type == "v_prediction"


def test_an_autoencoder_of_2022_is_read(base):
    """Attention layers have their names from before diffusers 0.17, and later configuration keys are missing."""
    now = load_autoencoder(model(base))
    file = weights_of(base, "vae")
    weights = load_file(file)
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        weights = {name.replace(f"attentions.0.{new}", f"attentions.0.{old}"): each for name, each in weights.items()}
    assert sum("proj_attn" in name for name in weights) == 4
    save_file(weights, file, metadata={"format": "pt"})
    later = ("force_upcast", "shift_factor", "latents_mean", "latents_std", "use_quant_conv", "scaling_factor")
    drop(base / "vae" / "config.json", *later, "use_post_quant_conv", "mid_block_add_attention")
    then = load_autoencoder(model(base))
    assert fingerprint_of_network(then) == fingerprint_of_network(now)
    assert then.config.scaling_factor == 0.18215
    seen = torch.rand(1, 6, 32, 32)
    with torch.no_grad():
        assert torch.equal(encode(then, seen).mean, encode(now, seen).mean)


def test_text_encoders_and_tokenizers_of_any_version_read_captions_alike(base):
    """Weights with and without the prefix of transformers 4, and a tokenizer without a length or `tokenizer.json`."""
    captions = ["a red cube on a white floor", "a dog"]
    text_encoder, tokenizer = load_text(model(base))
    with torch.no_grad():
        states = encode_text(text_encoder, tokenise(tokenizer, captions))
    file = weights_of(base, "text_encoder")
    weights = {name.removeprefix("text_model."): each for name, each in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    (base / "tokenizer" / "tokenizer.json").unlink()
    drop(base / "tokenizer" / "tokenizer_config.json", "model_max_length")
    text_encoder, tokenizer = load_text(model(base))
    with torch.no_grad():
        assert torch.equal(encode_text(text_encoder, tokenise(tokenizer, captions)), states)
