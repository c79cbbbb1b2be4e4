"""A person gets a prompt's samples as files that other programs open."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ldm3d.config import CaptionsConfig, GenerateConfig, GeneratorConfig, ModelConfig, SamplingConfig
from ldm3d.figures.contact_sheet import colour_depth
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling.draw_prompt import draw_prompt
from ldm3d.sampling.samples import NotFiniteError
from ldm3d.sampling.text_to_rgbd import text_to_rgbd

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(toy_base, tmp_path_factory) -> GeneratorConfig:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_pipeline(folder, load_base(ModelConfig(base=str(toy_base))))
    return GeneratorConfig(model=(str(folder),), precision="fp32")


def config(model, output, seed=5, **sampling) -> GenerateConfig:
    settings = {"num_inference_steps": (2,), "height": 16, "width": 16} | sampling
    return GenerateConfig(
        prompt="a red cube",
        output=str(output),
        model=model,
        captions=CaptionsConfig(per_caption=2, seed=seed),
        sampling=SamplingConfig(**settings),
    )


def test_each_sample_is_a_picture_its_depth_and_both_side_by_side(model, tmp_path):
    draw_prompt(config(model, tmp_path))
    image, depth, both = (Image.open(tmp_path / f"000{kind}.png") for kind in ("", "-depth", "-both"))
    assert (image.mode, depth.mode, both.mode) == ("RGB", "I;16", "RGB")
    values = np.asarray(depth)
    assert values.dtype == np.uint16
    assert both.size == (512, 256)  # a picture of 16 pixels, each seen as 16 x 16
    assert np.array_equal(np.asarray(both)[::16, ::16], np.hstack([np.asarray(image), colour_depth(values)]))
    assert np.array_equal(np.asarray(both)[::16, ::16], np.asarray(both)[15::16, 15::16])


def test_of_a_model_without_depth_there_is_only_the_picture(toy_base, tmp_path):
    draw_prompt(config(GeneratorConfig(model=(str(toy_base),)), tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000.png", "001.png"]
    assert Image.open(tmp_path / "000.png").mode == "RGB"


def test_every_point_of_a_grid_is_drawn_from_the_same_noise_and_numbers_go_on(model, tmp_path):
    first = draw_prompt(config(model, tmp_path, guidance_scale=(1.0, 4.0)))["samples"]
    assert [(each["number"], each["seed"], each["guidance_scale"]) for each in first] == [
        (0, 5, 1.0),
        (1, 6, 1.0),
        (2, 5, 4.0),
        (3, 6, 4.0),
    ]
    again = draw_prompt(config(model, tmp_path, seed=2**32 - 1, guidance_scale=(4.0,)))["samples"]
    assert [(each["number"], each["seed"]) for each in again] == [(4, 2**32 - 1), (5, 0)]
    assert len(list(tmp_path.iterdir())) == 3 * 6


def test_several_models_draw_one_after_another(model, toy_base, tmp_path):
    both = GeneratorConfig(model=(f"ours={model.model[0]}", f"sd={toy_base}"), precision="fp32")
    found = draw_prompt(config(both, tmp_path))["samples"]
    assert [(each["number"], each["model"], each["seed"]) for each in found] == [
        (0, "ours", 5),
        (1, "ours", 6),
        (2, "sd", 5),
        (3, "sd", 6),
    ]
    assert (tmp_path / "001-depth.png").exists()
    assert not (tmp_path / "002-depth.png").exists()


def test_what_cannot_be_written_is_refused_and_a_dry_run_writes_nothing(model, tmp_path):
    (tmp_path / "file").touch()
    for output in ("s3://bucket/pictures", tmp_path / "file"):
        with pytest.raises(ValueError, match=r"--output .* is not a local folder"):
            draw_prompt(config(model, output))
    assert draw_prompt(config(model, tmp_path / "dry"), dry_run=True)["config"]["prompt"] == "a red cube"
    assert not (tmp_path / "dry").exists()


def test_black_pictures_of_a_model_that_gives_nan_are_not_written(model, tmp_path):
    broken = load_base(ModelConfig(base=model.model[0]))
    torch.nn.init.constant_(broken.unet.conv_out.bias, torch.nan)
    save_pipeline(tmp_path / "broken", broken)
    with pytest.raises(NotFiniteError, match="every sample"):
        draw_prompt(config(GeneratorConfig(model=(str(tmp_path / "broken"),)), tmp_path / "pictures"))
    assert not (tmp_path / "pictures").exists()


def test_of_samples_that_are_not_all_finite_the_others_are_written(model, tmp_path, monkeypatch, caplog):
    def second_is_void(*arguments, **settings):
        first, second = text_to_rgbd(*arguments, **settings)
        return [first, replace(second, is_finite=False)]

    monkeypatch.setattr("ldm3d.sampling.sampler.text_to_rgbd", second_is_void)
    samples = draw_prompt(config(model, tmp_path))["samples"]
    assert [(each["is_finite"], "image" in each) for each in samples] == [(True, True), (False, False)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000-both.png", "000-depth.png", "000.png"]
    assert "for the samples of the seeds [6]" in caplog.text
