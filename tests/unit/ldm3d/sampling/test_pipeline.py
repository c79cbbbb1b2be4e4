"""A whole model behind one call gives what its parts give, in the form asked for."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from diffusers.callbacks import SDCFGCutoffCallback
from PIL import Image
from safetensors import safe_open

from ldm3d.config import LoraConfig, ModelConfig
from ldm3d.models.autoencoder import decode
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.models.lora import add_lora, merge_lora, save_lora
from ldm3d.models.text_embeddings import TextEmbeddings
from ldm3d.rgbd import from_tensor
from ldm3d.sampling import decode_latents
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.scenes import Scene, render

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"num_inference_steps": 2, "height": 16, "width": 16}


@pytest.fixture(scope="module", params=[6, 4])
def folder(request, toy_base, tmp_path_factory) -> str:
    """Save an LDM3D of random weights, as `train_diffusion` does."""
    folder = tmp_path_factory.mktemp("model") / "model"
    save_pipeline(folder, load_base(ModelConfig(base=str(toy_base), channels=request.param)))
    return str(folder)


@pytest.fixture
def pipeline(folder) -> RgbdPipeline:
    return RgbdPipeline.from_pretrained(folder)


def test_pictures_are_rgb_and_sixteen_bit_depth_that_files_keep(pipeline, tmp_path):
    output = pipeline("a red cube", seed=3, **QUICK)
    (image,), (depth,) = output.images, output.depths
    assert (image.mode, image.size, depth.mode, depth.size) == ("RGB", (16, 16), "I;16", (16, 16))
    depth.save(tmp_path / "depth.png")
    exact = pipeline("a red cube", seed=3, output_type="np", **QUICK)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "depth.png")), exact.depths[0])
    assert np.array_equal(np.asarray(image), exact.images[0])


def test_arrays_and_tensors_hold_the_same_samples(pipeline):
    array, tensor = (pipeline("a red cube", seed=3, output_type=kind, **QUICK) for kind in ("np", "pt"))
    assert (array.images.shape, array.images.dtype) == ((1, 16, 16, 3), np.uint8)
    assert (array.depths.shape, array.depths.dtype) == ((1, 16, 16), np.uint16)
    assert (tensor.images.shape, tensor.depths.shape) == ((1, 3, 16, 16), (1, 1, 16, 16))
    assert np.array_equal((tensor.depths[:, 0].double() * 65_535).round().numpy(), array.depths)
    assert np.array_equal((tensor.images * 255).round().movedim(1, -1).numpy(), array.images)


def test_depth_of_a_picture_that_comes_without_is_estimated(pipeline, tmp_path):
    tiny_depth_model(tmp_path)
    pipeline.load_depth_model(str(tmp_path))
    image = render(Scene.from_seed(0), 16).image
    depth = pipeline.depth_estimator(image[None]).depth[0]
    settings = {"seed": 3, "strength": 0.5, "num_inference_steps": 4, "output_type": "np"}
    alone, both = (
        pipeline("a red cube", image=image, **settings),
        pipeline("a red cube", image=image, depth=depth, **settings),
    )
    assert np.array_equal(alone.images, both.images)
    assert np.array_equal(alone.depths, both.depths)


def test_each_sample_is_told_by_its_prompt_and_seed_and_may_be_drawn_again(pipeline):
    together = pipeline(["a red cube", "a sphere"], num_images_per_prompt=2, seed=5, output_type="np", **QUICK)
    assert together.seeds == [5, 6, 7, 8]
    alone = pipeline("a sphere", seed=7, output_type="np", **QUICK)
    difference = np.abs(alone.images[0].astype(int) - together.images[2])
    assert difference.max() <= 1  # to rounding, as the batch differs
    unseeded = pipeline("a sphere", output_type="np", **QUICK)
    again = pipeline("a sphere", seed=unseeded.seeds, output_type="np", **QUICK)
    assert np.array_equal(unseeded.depths, again.depths)


def test_the_image_is_that_of_diffusers_own_pipeline_of_the_same_weights(pipeline, folder):
    """diffusers takes our model for one whose pictures have more channels. Its pixels are rounded as ours are."""
    theirs = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    theirs.set_progress_bar_config(disable=True)
    latents = theirs(
        "a red cube", generator=torch.Generator().manual_seed(3), guidance_scale=5.0, output_type="latent", **QUICK
    ).images
    with torch.no_grad():
        pixels = theirs.vae.decode(latents / theirs.vae.config.scaling_factor).sample[0, :3]
    expected = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().movedim(0, -1).numpy()
    found = pipeline("a red cube", seed=3, output_type="np", **QUICK).images[0]
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.01


def test_a_picture_is_drawn_over_and_kept_where_the_mask_says_so(pipeline):
    first = pipeline("a red cube", seed=1, output_type="np", **QUICK)
    mask = np.zeros((16, 16), bool)
    mask[8:] = True
    given = {"image": first.images[0], "depth": first.depths[0], "num_inference_steps": 4, "output_type": "np"}
    part = pipeline("a sphere", seed=2, mask=mask, **given)
    assert np.array_equal(part.images[0, :8], first.images[0, :8])
    assert not np.array_equal(part.images[0, 8:], first.images[0, 8:])
    whole = pipeline("a sphere", seed=2, strength=0.5, **given)
    assert not np.array_equal(whole.depths, first.depths)


def test_any_scheduler_of_diffusers_may_take_the_place_of_the_models(pipeline):
    before = pipeline("a sphere", seed=2, output_type="np", **QUICK)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    assert not np.array_equal(pipeline("a sphere", seed=2, output_type="np", **QUICK).images, before.images)


def test_a_negative_prompt_and_a_callback_are_heard(pipeline):
    plain = pipeline("a sphere", seed=2, output_type="np", **QUICK)
    away = pipeline("a sphere", seed=2, negative_prompt="a red cube", output_type="np", **QUICK)
    assert not np.array_equal(plain.images, away.images)
    steps = []
    pipeline("a sphere", seed=2, callback=lambda step, time, latents: steps.append(step), **QUICK)
    assert steps == [0, 1]


def test_latents_are_those_that_are_decoded_and_nothing_is_decoded_for_them(pipeline):
    """This holds from text, in several batches, for a panorama, from a picture, and in part of one."""
    mask = np.zeros((16, 16), bool)
    mask[8:] = True
    first = pipeline("a sphere", seed=1, output_type="np", **QUICK)
    given = {"image": first.images[0], "depth": first.depths[0], "num_inference_steps": 4, "strength": 0.5}
    calls = [QUICK, {**QUICK, "batch_size": 2}, {**QUICK, "panorama": True}, given, {**given, "mask": mask}]
    for call in calls:
        drawn = pipeline(["a red cube", "a sphere", "a"], seed=3, output_type="np", **call)
        count = []
        with pipeline.vae.decoder.register_forward_hook(lambda *_, count=count: count.append(1)):
            latents = pipeline(["a red cube", "a sphere", "a"], seed=3, output_type="latent", **call)
        assert (count, latents.depths, latents.seeds) == ([], None, drawn.seeds)
        assert (latents.images.shape[:2], latents.images.dtype) == ((3, 4), torch.float32)
        if call.get("panorama"):
            continue  # it is also decoded as a panorama
        decoded = decode_latents(pipeline.vae, latents.images)
        drawn_anew = mask if "mask" in call else slice(None)
        # to rounding, as the sizes of the batches differ
        assert np.abs(decoded.image[:, drawn_anew].astype(int) - drawn.images[:, drawn_anew]).max() <= 1
    plain = pipeline("a red cube", seed=3, output_type="latent", **QUICK).images
    own = plain / pipeline.vae.config.scaling_factor
    assert np.array_equal(
        from_tensor(decode(pipeline.vae, own))[0].numpy(),
        pipeline("a red cube", seed=3, output_type="np", **QUICK).images,
    )


def test_a_callback_of_diffusers_reads_and_changes_latents(pipeline):
    seen = []

    def halve_the_last(given, step, timestep, kwargs):
        seen.append((given is pipeline, step, int(timestep), list(kwargs)))
        if step == 1:
            kwargs["latents"] = kwargs["latents"] / 2
        return kwargs

    call = {"seed": 2, "output_type": "latent", **QUICK}
    plain = pipeline("a sphere", **call).images
    halved = pipeline("a sphere", callback_on_step_end=halve_the_last, **call).images
    assert seen == [(True, 0, 501, ["latents"]), (True, 1, 1, ["latents"])]
    assert torch.equal(halved * 2, plain)
    blind = pipeline(
        "a sphere",
        callback_on_step_end=lambda pipe, step, time, kwargs: {} if kwargs == {} else None,
        callback_on_step_end_tensor_inputs=[],
        **call,
    )
    assert torch.equal(blind.images, plain)


@pytest.mark.parametrize("alpha", [None, 1, 16])
def test_low_rank_updates_change_a_model_that_loads_them_as_they_changed_the_trained_one(
    pipeline, folder, tmp_path, alpha
):
    trained = RgbdPipeline.from_pretrained(folder)
    before = trained("a sphere", seed=2, output_type="latent", **QUICK).images
    add_lora(trained.unet, LoraConfig(rank=2, alpha=alpha), seed=0)
    for name, weight in trained.unet.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(generator=torch.Generator().manual_seed(len(name)))
    save_lora(trained.unet, tmp_path)
    with safe_open(tmp_path / "pytorch_lora_weights.safetensors", "pt") as file:
        settings = json.loads(file.metadata()["lora_adapter_metadata"])
    assert settings["unet.target_modules"] == ["to_k", "to_out.0", "to_q", "to_v"]  # as a set, in any order
    pipeline.load_lora_weights(str(tmp_path))
    expected, found = (each("a sphere", seed=2, output_type="latent", **QUICK).images for each in (trained, pipeline))
    assert torch.equal(found, expected)
    assert not torch.allclose(found, before)


def test_negative_prompts_seeds_and_masks_come_as_users_of_diffusers_write_them(pipeline):
    def drawn(*prompt: object, **settings: object) -> np.ndarray:
        return pipeline(*prompt, output_type="np", guidance_scale=5.0, **QUICK | settings).images

    plain = drawn(["a cube", "a sphere"], seed=3)
    assert np.array_equal(drawn(["a cube", "a sphere"], seed=np.int64(3), negative_prompt=None), plain)
    assert np.array_equal(drawn(["a cube", "a sphere"], seed=np.array([3, 4]), negative_prompt=["", ""]), plain)
    (first, second) = drawn(["a cube", "a sphere"], seed=3, negative_prompt=["red", "blue"])
    (alone,) = drawn("a sphere", seed=4, negative_prompt="blue")
    np.testing.assert_allclose(second.astype(int), alone.astype(int), atol=1)  # a batch of two rounds differently
    assert not np.array_equal(first, plain[0])

    scene = render(Scene.from_seed(0), 16)
    picture = {"image": scene.image, "depth": np.full((16, 16), 30_000, np.uint16), "strength": 0.9}
    mask = np.arange(256).reshape(16, 16) % 16 < 8
    sizes = {"height": None, "width": None}
    expected = drawn("a cube", seed=1, mask=mask, **picture, **sizes)
    assert np.array_equal(drawn("a cube", seed=1, mask=mask.astype(np.uint8) * 255, **picture, **sizes), expected)


def test_an_old_stable_diffusion_is_drawn_at_its_real_size_before_and_after_updates_are_loaded(toy_base, tmp_path):
    """Its configuration states half that size. diffusers corrects this in pipelines, but not in a U-Net it loads."""
    folder = Path(shutil.copytree(toy_base, tmp_path / "model"))
    file = folder / "unet/config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"_diffusers_version": "0.7.2", "sample_size": 32}))
    old = RgbdPipeline.from_pretrained(str(folder))
    assert old.unet.config.sample_size == 64
    add_lora(updated := RgbdPipeline.from_pretrained(str(toy_base)).unet, LoraConfig(rank=2), seed=0)
    save_lora(updated, tmp_path / "lora")
    old.load_lora_weights(str(tmp_path / "lora"))
    assert old.unet.config.sample_size == 64
    file.write_text(json.dumps(json.loads(file.read_text()) | {"_diffusers_version": "0.9.0"}))
    assert RgbdPipeline.from_pretrained(str(folder)).unet.config.sample_size == 32


def drawn_from() -> torch.Generator:
    torch.rand(1, generator=(made := torch.Generator().manual_seed(1)))
    return made


def test_fresh_generators_stand_for_their_seeds_and_are_left_as_they_are(pipeline):
    generators = [torch.Generator().manual_seed(seed) for seed in (3, 9)]
    expected = pipeline(["a cube", "a sphere"], seed=[3, 9], output_type="np", **QUICK)
    for _ in range(2):
        found = pipeline(["a cube", "a sphere"], generator=generators, output_type="np", **QUICK)
        assert found.seeds == [3, 9]
        assert np.array_equal(found.images, expected.images)
    (one,) = pipeline("a cube", generator=generators[0], output_type="np", **QUICK).depths
    assert np.abs(one.astype(int) - expected.depths[0]).max() <= 257  # a batch of two rounds differently


@pytest.mark.parametrize("channels", ["rgbd", "rgb"])
def test_a_saved_model_draws_the_same_picture_and_a_folder_in_use_is_left_alone(folder, toy_base, tmp_path, channels):
    first = RgbdPipeline.from_pretrained(folder if channels == "rgbd" else str(toy_base))
    first.save_pretrained(tmp_path / "saved")
    second = RgbdPipeline.from_pretrained(str(tmp_path / "saved"))
    assert second.fingerprint() == first.fingerprint()
    one, other = (each("a sphere", seed=2, output_type="np", **QUICK) for each in (first, second))
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.depths, other.depths)
    with pytest.raises(ValueError, match="is not empty"):
        second.save_pretrained(tmp_path / "saved")


def test_what_a_saved_model_would_lose_is_refused(folder, tmp_path):
    pipeline = RgbdPipeline.from_pretrained(folder)
    trained = pipeline.scheduler
    pipeline.scheduler = EulerDiscreteScheduler.from_config(trained.config)
    with pytest.raises(ValueError, match=r"scheduler is EulerDiscreteScheduler.*DDIMScheduler\.from_config"):
        pipeline.save_pretrained(tmp_path / "saved")
    pipeline.scheduler = trained
    add_lora(pipeline.unet, LoraConfig(rank=2), seed=0)
    with pytest.raises(ValueError, match="merge_lora"):
        pipeline.save_pretrained(tmp_path / "saved")
    merge_lora(pipeline.unet)
    pipeline.save_pretrained(tmp_path / "saved")


def test_dtype_and_device_are_given_as_in_diffusers(folder):
    for names in ({"torch_dtype": torch.bfloat16}, {"dtype": torch.bfloat16}):
        assert RgbdPipeline.from_pretrained(folder, **names).dtype == torch.bfloat16
    pipeline = RgbdPipeline.from_pretrained(folder)
    assert (pipeline.dtype, pipeline.device) == (torch.float32, torch.device("cpu"))
    for call in (
        lambda: pipeline.to(torch.float16),
        lambda: pipeline.to("cpu", torch.bfloat16),
        lambda: pipeline.to(dtype=torch.float32),
        lambda: pipeline.to(device="cpu", dtype=torch.float16),
    ):
        before = pipeline.dtype
        assert call() is pipeline
        assert pipeline.dtype != before
    assert pipeline.to("cpu").dtype == torch.float16
    with pytest.raises(ValueError, match="there is no argument devise: did you mean device"):
        pipeline.to(devise="cpu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": torch.float16, "torch_dtype": torch.float32}, "want one of them"),
        ({"variant": "fp16"}, "there is no argument variant: .*leave it out"),
        ({"safety_checker": None}, "there is no argument safety_checker: there is none: leave it out"),
        ({"torch_dtyp": 1}, "there is no argument torch_dtyp: did you mean torch_dtype"),
    ],
)
def test_what_loading_does_not_take_is_refused_by_name(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        RgbdPipeline.from_pretrained(folder, **settings)


def test_methods_of_other_pipelines_say_what_to_do_instead(pipeline):
    with pytest.raises(AttributeError, match="has no enable_vae_tiling: give tile=512 in the call"):
        pipeline.enable_vae_tiling()
    assert not hasattr(pipeline, "nothing_like_this")


def test_pictures_of_pil_come_in_as_they_go_out(pipeline):
    drawn, arrays = (pipeline("a red cube", seed=1, output_type=kind, **QUICK) for kind in ("pil", "np"))
    assert (drawn.rgb, drawn.depth) == (drawn.images, drawn.depths)
    mask = np.arange(256).reshape(16, 16) % 16 < 8
    call = {"seed": 2, "num_inference_steps": 4, "output_type": "np"}
    expected = pipeline("a sphere", image=arrays.images[0], depth=arrays.depths[0], mask=mask, **call)
    for drawn_on in (Image.fromarray(mask), Image.fromarray(mask.astype(np.uint8) * 255)):
        found = pipeline("a sphere", image=drawn.images[0], depth=drawn.depths[0], mask=drawn_on, **call)
        assert np.array_equal(found.images, expected.images)
        assert np.array_equal(found.depths, expected.depths)


def test_what_is_returned_may_be_changed(pipeline, tmp_path):
    tiny_depth_model(tmp_path)
    estimator = pipeline.load_depth_model(str(tmp_path))
    picture = render(Scene.from_seed(0), 16).image
    labels = estimator(Image.fromarray(picture))
    assert np.array_equal(labels.depth, estimator(picture[None]).depth)
    several = estimator([Image.fromarray(picture)] * 2)
    assert np.array_equal(several.depth, estimator(np.stack([picture] * 2)).depth)
    with pytest.raises(ValueError, match=r"2 pictures of sizes \['16 x 16', '8 x 8'\]"):
        estimator([Image.fromarray(picture), Image.new("RGB", (8, 8))])
    with pytest.raises(ValueError, match=r"images are \(16, 16, 3\) uint8.*image\[None\]"):
        estimator(picture)
    drawn = pipeline("a sphere", seed=2, output_type="np", **QUICK)
    for array in (labels.depth, labels.raw_min, drawn.images, drawn.depths):
        array += 1
    estimator.inverse_depth(picture[None]).add_(1)
    latents = pipeline("a sphere", seed=2, output_type="latent", **QUICK).images
    latents.mul_(2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image": np.zeros((16, 16, 3))}, r"image is \(16, 16, 3\) float64, wanted a PIL picture or"),
        ({"depth": Image.new("L", (16, 16))}, "depth is L of PIL, wanted a PIL picture of mode I;16"),
        ({"depth": np.zeros((16, 16), np.uint8)}, r"depth is \(16, 16\) uint8, wanted a PIL picture of mode I;16"),
    ],
)
def test_pictures_that_have_lost_what_they_held_are_refused(pipeline, settings, message):
    given = {"image": Image.new("RGB", (16, 16)), "depth": np.zeros((16, 16), np.uint16)}
    with pytest.raises(ValueError, match=message):
        pipeline("a sphere", **given | settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"negative_prompt": ["a", "b"]}, "negative_prompt has 2 texts, wanted one, or one for each prompt"),
        (
            {
                "mask": np.full((16, 16), 7, np.uint8),
                "image": np.zeros((16, 16, 3), np.uint8),
                "depth": np.zeros((16, 16), np.uint16),
            },
            "mask is uint8 of 7 to 7, wanted bool",
        ),
        ({"output_type": "jpeg"}, "output_type is 'jpeg', wanted one of pil, np, pt, latent"),
        ({"num_images_per_prompt": 0}, "num_images_per_prompt is 0"),
        ({"image": np.zeros((16, 16, 3), np.uint8)}, "image and depth go together"),
        ({"mask": np.ones((16, 16), bool)}, "image and depth go together"),
        ({"image": np.zeros((16, 16, 3), np.uint8), "depth": np.zeros((16, 16), np.uint16), "width": 16}, "width 16"),
        ({"seed": [1, 2]}, "2 seeds"),
        ({"seed": 1.5}, "seed is 1.5, wanted a whole number"),
        ({"seed": 2**70}, "seed is 1180591620717411303424, wanted a whole number from 0 to 4294967295"),
        ({"seed": [-1]}, "seed -1 is out of range"),
        ({"seed": [1, 2], "output_type": "latent"}, "2 seeds"),
        ({"generator": torch.Generator()}, "generator has the seed 67280421310721, wanted 0 to 4294967295: give seed"),
        ({"generator": torch.Generator().manual_seed(1), "seed": 1}, "seed and generator are both given"),
        ({"generator": [torch.Generator().manual_seed(1)] * 2}, "generator is given for 2 of 1 samples"),
        ({"generator": drawn_from()}, "generator has been drawn from"),
        ({"return_dict": False}, "return_dict is False, wanted True: read images and depths"),
        ({"mask_image": 1}, "there is no argument mask_image: give mask"),
        ({"steps": 4}, "there is no argument steps: give num_inference_steps"),
        ({"guidence_scale": 4}, "there is no argument guidence_scale: did you mean guidance_scale"),
        ({"negative_promt": "a"}, "there is no argument negative_promt: did you mean negative_prompt"),
        ({"latents": torch.zeros(1)}, "there is no argument latents: give seed"),
        ({"zzz": 4}, "there is no argument zzz: there are batch_size, callback"),
        ({"callback": print, "callback_on_step_end": print}, "callback and callback_on_step_end"),
        (
            {"callback_on_step_end": print, "callback_on_step_end_tensor_inputs": ["latents", "prompt_embeds"]},
            "callback_on_step_end asks for latents, prompt_embeds",
        ),
        ({"callback_on_step_end": SDCFGCutoffCallback()}, "callback_on_step_end asks for prompt_embeds"),
    ],
)
def test_what_does_not_go_together_is_refused(pipeline, settings, message):
    with pytest.raises(ValueError, match=message):
        pipeline("a sphere", **settings)


@pytest.mark.parametrize("prompt", [[], None])
def test_no_prompt_is_refused(pipeline, prompt):
    with pytest.raises(ValueError, match="no prompt was given"):
        pipeline(prompt)


@pytest.fixture(scope="module")
def stable_diffusion(toy_base) -> RgbdPipeline:
    """Load a baseline, which has three channels."""
    return RgbdPipeline.from_pretrained(str(toy_base))


def test_a_model_without_depth_draws_what_diffusers_draws_of_it(stable_diffusion, toy_base):
    theirs = StableDiffusionPipeline.from_pretrained(toy_base, safety_checker=None)
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(
        "a red cube", generator=torch.Generator().manual_seed(3), guidance_scale=5.0, output_type="np", **QUICK
    ).images[0]
    found = stable_diffusion("a red cube", seed=3, output_type="np", **QUICK)
    assert np.abs(found.images[0] - (expected * 255).round()).max() <= 1


@pytest.mark.parametrize("kind", ["pil", "np", "pt"])
def test_of_a_model_without_depth_there_are_no_depths(stable_diffusion, kind):
    output = stable_diffusion("a red cube", seed=3, output_type=kind, **QUICK)
    assert len(output.images) == 1
    assert output.depths is None


@pytest.mark.parametrize("depth", [None, np.zeros((16, 16), np.uint16)])
def test_a_model_without_depth_begins_with_no_picture(stable_diffusion, depth):
    with pytest.raises(ValueError, match="3 input channels, wanted 6 or 4"):
        stable_diffusion("a red cube", image=np.zeros((16, 16, 3), np.uint8), depth=depth)


def test_another_kind_of_autoencoder_is_refused(toy_base, tmp_path):
    base = shutil.copytree(toy_base, tmp_path / "base")
    settings = json.loads((base / "vae/config.json").read_text())
    (base / "vae/config.json").write_text(json.dumps(settings | {"shift_factor": 0.1}))
    with pytest.raises(ValueError, match=r"shift_factor 0\.1"):
        RgbdPipeline.from_pretrained(str(base))


def test_captions_are_encoded_once_and_the_oldest_are_forgotten(pipeline):
    calls = []
    pipeline.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    embeddings = TextEmbeddings(pipeline.text_encoder, pipeline.tokenizer, most=2)
    first = embeddings(["a", "b", "a"])
    assert torch.equal(first[0], first[2])
    assert len(calls) == 2
    assert torch.equal(embeddings(["c", "a"])[1], first[0])
    assert len(calls) == 3
    embeddings(["b"])
    assert len(calls) == 4
