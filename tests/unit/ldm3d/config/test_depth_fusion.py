"""The settings of places: reachable from the command line, checked all at once, identified by what they change."""

from dataclasses import replace
from typing import get_args, get_type_hints

import pytest

from jobs.command import parse
from ldm3d.config import (
    DepthFusionConfig,
    DepthMeaningConfig,
    ExportsConfig,
    GeneratorConfig,
    SamplingConfig,
    SurfaceConfig,
    ViewsConfig,
    from_json,
    presets_of,
    to_json,
)
from ldm3d.config.exports import FORMATS, Format
from ldm3d.fusion.exports import EXPORTS
from ldm3d.immersive.tears import STEEPEST
from ldm3d.immersive.trajectory import PATHS

PATHS_GIVEN = ["--input", "room.png", "--output", "out"]
CONFIG = DepthFusionConfig(input="in", output="out")


@pytest.mark.parametrize("preset", ["ldm3d", "ldm3d-4c", "toy"])
def test_a_preset_is_what_the_command_line_starts_from(preset):
    expected = DepthFusionConfig(input="room.png", output="out", **presets_of(DepthFusionConfig)[preset])
    assert parse(DepthFusionConfig, ["--preset", preset, *PATHS_GIVEN]).config == expected


def test_flags_reach_every_section_and_json_brings_them_back():
    flags = ["--depth.kind", "distance", "--depth.scale", "0.001", "--exports.formats", "mesh", "film-360"]
    config = parse(DepthFusionConfig, [*PATHS_GIVEN, *flags, "--views.path", "circle"]).config
    assert (config.depth.kind, config.depth.scale) == ("distance", 0.001)
    assert config.exports.formats == ("mesh", "film-360")
    assert config.views.path == "circle"
    assert from_json(DepthFusionConfig, to_json(config)) == config


def test_names_that_the_library_has_too_are_the_same():
    assert set(get_args(Format)) == EXPORTS.keys() >= set(FORMATS)
    assert get_args(get_type_hints(ViewsConfig)["path"]) == PATHS
    assert SurfaceConfig().steepest == STEEPEST


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(ValueError, match="--strength") as error:
        DepthFusionConfig(
            input="in",
            output="out",
            strength=0.0,
            depth=DepthMeaningConfig(kind="relative", near=2.0, amount=1.0),
            views=ViewsConfig(width=101, seconds=0.0),
            surface=SurfaceConfig(steepest=91.0),
            exports=ExportsConfig(formats=("mesh", "mesh")),
        )
    told = str(error.value).split("; ")
    flags = ["strength", "depth.amount", "depth.near", "surface.steepest", "exports.formats", "views.width"]
    assert [each.split()[0] for each in told] == [f"--{flag}" for flag in [*flags, "views.seconds"]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "distance", "invert": True}, "--depth.invert is True, wanted False unless"),
        ({"scale": 2.0}, "--depth.scale is 2.0, wanted 1"),
        ({"kind": "inverse", "near": 3.0, "far": 2.0}, "--depth.near is 3.0, wanted at most --depth.far, 2.0"),
        ({"radius": float("inf")}, "--depth.radius is inf"),
    ],
)
def test_depth_that_contradicts_itself_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        replace(CONFIG, depth=DepthMeaningConfig(**given))


def test_one_picture_is_known_by_its_name():
    assert replace(CONFIG, input="pictures/Room.PNG").is_one
    assert not replace(CONFIG, input="pictures").is_one


def test_a_redrawing_has_one_model_and_one_point():
    drawn = replace(CONFIG, prompt="a forest", sampling=SamplingConfig(num_inference_steps=(7,), batch_size=1))
    assert drawn.point.num_inference_steps == 7
    with pytest.raises(ValueError, match=r"--model\.model .*; --sampling\.num-inference-steps .*; --sampling\.height"):
        replace(
            CONFIG,
            prompt="a forest",
            model=GeneratorConfig(model=("a", "b")),
            sampling=SamplingConfig(num_inference_steps=(1, 2), height=64),
        )


def test_what_is_drawn_from_a_prompt_alone_has_the_depth_of_its_model():
    assert DepthFusionConfig(output="out", prompt="a forest").is_one
    with pytest.raises(ValueError, match=r"--depth\.kind is 'distance', wanted relative"):
        DepthFusionConfig(output="out", prompt="a forest", depth=DepthMeaningConfig(kind="distance"))


def test_what_is_drawn_from_a_prompt_alone_has_no_depth_to_estimate():
    with pytest.raises(ValueError, match=r"--depth\.model is 'a/model', wanted None"):
        DepthFusionConfig(output="out", prompt="a forest", depth=DepthMeaningConfig(model="a/model"))


def test_near_or_far_alone_may_be_meant_for_a_model_that_gives_metres():
    assert replace(CONFIG, depth=DepthMeaningConfig(model="a/model", far=50.0)).depth.far == 50
    with pytest.raises(ValueError, match=r"--depth\.near is None, wanted --depth\.near and --depth\.far, or neither"):
        replace(CONFIG, depth=DepthMeaningConfig(far=50.0))


def test_what_draws_the_hidden_is_one_model_and_one_point():
    inpainted = replace(CONFIG, surface=SurfaceConfig(background="inpaint"))
    assert inpainted.draws
    assert not CONFIG.draws
    with pytest.raises(ValueError, match=r"--model\.model"):
        replace(inpainted, model=GeneratorConfig(model=("a", "b")))


@pytest.mark.parametrize(
    ("given", "surface", "told"),
    [
        ({}, {"prompt": "walls"}, r"--surface\.prompt is 'walls', wanted None, or --surface\.background inpaint"),
        ({}, {"prompt": "", "background": "inpaint"}, r"--surface\.prompt is '', wanted a text, or None"),
        (
            {"input": "room.png"},
            {"prompt": "an empty {caption}", "background": "inpaint"},
            r"--surface\.prompt is 'an empty \{caption\}', wanted a text without \{caption\}",
        ),
    ],
)
def test_a_text_for_what_is_hidden_that_means_nothing_is_refused(given, surface, told):
    with pytest.raises(ValueError, match=told):
        replace(CONFIG, **given, surface=SurfaceConfig(**surface))


def test_who_redraws_nothing_of_the_panorama_is_told_how_to_guide_the_rest():
    with pytest.raises(ValueError, match=r"--strength is 0\.0, wanted .*--surface\.prompt in place of --prompt"):
        replace(CONFIG, prompt="bare walls", strength=0.0)


def test_a_text_for_what_is_hidden_is_a_flag_and_redraws_no_panorama():
    flags = ["--surface.background", "inpaint", "--surface.prompt", "bare walls"]
    config = parse(DepthFusionConfig, [*PATHS_GIVEN, *flags]).config
    assert (config.surface.prompt, config.prompt, config.draws) == ("bare walls", None, True)
    assert not config.surface.takes_captions
    assert SurfaceConfig(background="inpaint", prompt="{caption}").takes_captions


def test_outputs_begun_before_what_is_hidden_had_a_text_of_its_own_go_on():
    inpainted = replace(CONFIG, surface=SurfaceConfig(background="inpaint"))
    assert inpainted.identity()["surface"] == {"steepest": STEEPEST, "background": "inpaint"}
    guided = replace(CONFIG, surface=SurfaceConfig(background="inpaint", prompt="bare walls"))
    assert guided.identity() != inpainted.identity()


def test_identity_changes_with_what_decides_the_files_and_with_nothing_else():
    identity = CONFIG.identity()
    same = replace(CONFIG, output="other", cluster=replace(CONFIG.cluster, actors=3), preset="toy", seed=5)
    assert same.identity() == identity  # without a prompt no seed is used
    assert replace(CONFIG, views=ViewsConfig(ipd=0.06)).identity() != identity
    estimated = replace(CONFIG, depth=DepthMeaningConfig(model="a/model", model_revision="v2"))
    assert estimated.identity() == identity  # what is in that place counts, as its fingerprint
    inpainted = replace(CONFIG, surface=SurfaceConfig(background="inpaint"))
    assert replace(inpainted, seed=5).identity() != inpainted.identity()
    drawn = replace(CONFIG, prompt="a forest")
    assert replace(drawn, seed=5).identity() != drawn.identity() != identity
