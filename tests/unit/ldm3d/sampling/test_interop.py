"""Models go to diffusers and back: the same weights draw the same latents on either side."""

import json
import shutil
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionLDM3DPipeline, StableDiffusionPipeline
from diffusers import UNet2DConditionModel as UNet
from transformers import CLIPTextModel, CLIPTokenizer

from ldm3d.config import ModelConfig
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling import decode_latents
from ldm3d.sampling.pipeline import RgbdPipeline

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning"),  # of numpy, for diffusers
]

CAPTION, AWAY, SEEDS = "a red cube on a white floor", "a sphere", [3, 4]
SETTINGS = {"num_inference_steps": 3, "height": 16, "width": 24, "guidance_scale": 5.0, "output_type": "latent"}
SCHEDULERS = [
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
]


@pytest.fixture(scope="module", params=[6, 4])
def folder(request, toy_base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("interop") / "model"
    save_pipeline(folder, load_base(ModelConfig(base=str(toy_base), channels=request.param)))
    return folder


def of_parts(folder: Path) -> StableDiffusionPipeline:
    """Build diffusers' pipeline from parts that diffusers and transformers load one by one."""
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder, subfolder="vae"),
        unet=UNet.from_pretrained(folder, subfolder="unet"),
        text_encoder=CLIPTextModel.from_pretrained(folder, subfolder="text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer"),
        scheduler=DDIMScheduler.from_pretrained(folder, subfolder="scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def latents_of(pipeline: StableDiffusionPipeline) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    prompts = {"prompt": [CAPTION] * len(SEEDS), "negative_prompt": [AWAY] * len(SEEDS)}
    return pipeline(**prompts, generator=generators, **SETTINGS).images


def ours(pipeline: RgbdPipeline) -> torch.Tensor:
    return pipeline(CAPTION, negative_prompt=AWAY, num_images_per_prompt=len(SEEDS), seed=SEEDS[0], **SETTINGS).images


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare to rounding in float32: captions are encoded one by one here, together there."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.std()))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_what_we_save_draws_the_same_latents_in_diffusers(folder, name):
    mine, theirs = RgbdPipeline.from_pretrained(str(folder)), of_parts(folder)
    for pipeline in (mine, theirs):
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config)
    assert_same(ours(mine), latents_of(theirs))


UNSAID = dict.fromkeys(("steps_offset", "clip_sample", "set_alpha_to_one", "prediction_type", "timestep_spacing"))
OLD = {  # part -> changes of its configuration; None drops a setting
    "schedule of 2022": {"scheduler": UNSAID | {"thresholding": None, "rescale_betas_zero_snr": None}},
    "another offset": {"scheduler": {"steps_offset": 2}},
    "clipped samples": {"scheduler": {"clip_sample": True}},
    "an alpha of one": {"scheduler": {"set_alpha_to_one": True}},
    "no alpha": {"scheduler": {"set_alpha_to_one": None}},
    "betas of its own": {"scheduler": {"trained_betas": [0.001 + n / 100_000 for n in range(1_000)]}},
    "no terminal signal": {
        "scheduler": {
            "rescale_betas_zero_snr": True,
            "timestep_spacing": "trailing",
            "prediction_type": "v_prediction",
        }
    },
    "autoencoder of 2022": {"vae": {"scaling_factor": None, "force_upcast": None}},
    "half the size": {"unet": {"_diffusers_version": "0.7.2", "sample_size": 8}},
    "half the size, from source": {"unet": {"_diffusers_version": "0.8.0.dev0", "sample_size": 8}},
    "a small U-Net of 0.9": {"unet": {"_diffusers_version": "0.9.0.dev0", "sample_size": 8}},
    "a small U-Net of no version": {"unet": {"_diffusers_version": None, "sample_size": 8}},
}


@pytest.mark.parametrize("name", OLD)
def test_what_diffusers_pipelines_correct_in_old_configurations_is_corrected_here(toy_base, name, tmp_path):
    folder = shutil.copytree(toy_base, tmp_path / "base")
    for part, changes in OLD[name].items():
        file = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        changed = json.loads(file.read_text()) | changes
        file.write_text(json.dumps({key: value for key, value in changed.items() if value is not None}))
    mine, theirs = RgbdPipeline.from_pretrained(str(folder)), of_parts(folder)
    assert_same(ours(mine), latents_of(theirs))
    assert mine.unet.config.sample_size == theirs.unet.config.sample_size
    assert mine.vae.config.scaling_factor == theirs.vae.config.scaling_factor


def test_what_diffusers_draws_of_it_is_decoded_here_to_image_and_depth(folder):
    mine, theirs = RgbdPipeline.from_pretrained(str(folder)), of_parts(folder)
    decoded = decode_latents(theirs.vae, latents_of(theirs))
    drawn = mine(
        CAPTION,
        negative_prompt=AWAY,
        num_images_per_prompt=len(SEEDS),
        seed=SEEDS[0],
        **{**SETTINGS, "output_type": "np"},
    )
    assert abs(decoded.image.astype(int) - drawn.images).max() <= 1
    # where the high byte rounds the other way, depth changes by 256
    assert (abs(decoded.depth.astype(int) - drawn.depths) > 1).mean() < 0.01


@pytest.mark.parametrize("kind", [StableDiffusionPipeline, StableDiffusionLDM3DPipeline])
def test_what_diffusers_saves_is_loaded_here(folder, kind, tmp_path):
    """Its files differ from ours: other names in the text encoder, other files of the tokenizer."""
    theirs = of_parts(folder)
    parts = {**theirs.components, "image_encoder": None}
    kind(**parts, requires_safety_checker=False).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == kind.__name__
    loaded = RgbdPipeline.from_pretrained(str(tmp_path))
    assert_same(ours(loaded), latents_of(theirs))
    assert loaded.fingerprint() == RgbdPipeline.from_pretrained(str(folder)).fingerprint()


def test_weights_that_diffusers_splits_into_several_files_are_loaded(folder, tmp_path):
    theirs = of_parts(folder)
    theirs.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list((tmp_path / "unet").glob("*.safetensors"))) > 1
    assert torch.equal(
        ours(RgbdPipeline.from_pretrained(str(tmp_path))), ours(RgbdPipeline.from_pretrained(str(folder)))
    )


def test_what_we_load_and_save_again_is_what_diffusers_saved(folder, tmp_path):
    """A checkpoint of diffusers becomes one of ours with the same weights, byte for byte."""
    of_parts(folder).save_pretrained(tmp_path / "theirs")
    channels = json.loads((folder / "vae/config.json").read_text())["in_channels"]
    save_pipeline(tmp_path / "ours", load_base(ModelConfig(base=str(tmp_path / "theirs"), channels=channels)))
    for weights in folder.rglob("*.safetensors"):
        assert (tmp_path / "ours" / weights.relative_to(folder)).read_bytes() == weights.read_bytes()
