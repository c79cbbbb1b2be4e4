"""The settings of generation are reachable from the command line, checked, and identified by what they change."""

import pytest

from jobs.command import parse
from ldm3d.config import (
    ActorsConfig,
    CaptionsConfig,
    DenoisingLossConfig,
    DiffusionConfig,
    GenerateConfig,
    GeneratorConfig,
    SamplingConfig,
    from_json,
    presets_of,
    to_json,
)

PATHS = ["--input", "in", "--output", "out"]


@pytest.mark.parametrize("preset", ["ldm3d", "ldm3d-4c", "toy"])
def test_a_preset_is_what_the_command_line_starts_from(preset):
    expected = GenerateConfig(input="in", output="out", **presets_of(GenerateConfig)[preset])
    assert parse(GenerateConfig, ["--preset", preset, *PATHS]).config == expected


def test_a_prompt_takes_the_place_of_the_input_and_the_output_is_always_asked_for(capsys):
    config = parse(GenerateConfig, ["--prompt", "a red cube", "--output", "out"]).config
    assert (config.input, config.prompt) == (None, "a red cube")
    with pytest.raises(SystemExit):
        parse(GenerateConfig, ["--prompt", "a red cube"])
    with pytest.raises(ValueError, match="--prompt or --input"):
        GenerateConfig(input="in", prompt="a red cube", output="out")


def test_a_grid_is_every_combination_of_steps_and_scales():
    grid = ["--sampling.num-inference-steps", "25", "50", "--sampling.guidance-scale", "1", "7.5"]
    config = parse(GenerateConfig, [*PATHS, *grid]).config
    names = ["ddim-s1-n25", "ddim-s1-n50", "ddim-s7.5-n25", "ddim-s7.5-n50"]
    assert [point.name for point in config.sampling.grid()] == names
    assert from_json(GenerateConfig, to_json(config)) == config


def test_several_models_have_names_given_or_taken_from_their_folders():
    models = ["sd=CompVis/stable-diffusion-v1-4", "runs/diffusion/model/", "s3://models/ldm3d-40000", "Intel/ldm3d-4c"]
    config = parse(GenerateConfig, [*PATHS, "--model.model", *models]).config
    assert [name for name, _ in config.model.named()] == ["sd", "diffusion", "ldm3d-40000", "ldm3d-4c"]
    assert config.model.named()[0][1] == "CompVis/stable-diffusion-v1-4"
    assert from_json(GenerateConfig, to_json(config)) == config


def test_only_what_changes_rows_is_part_of_the_identity():
    first = GenerateConfig(input="in", output="out")
    moved = GenerateConfig(
        input="in2",
        output="out2",
        model=GeneratorConfig(model=("elsewhere",)),  # its weights are compared instead
        cluster=ActorsConfig(actors=3),
    )
    assert moved.identity() == first.identity()
    for change in (
        {"shard_samples": 3},
        {"model": GeneratorConfig(precision="bf16")},
        {"captions": CaptionsConfig(seed=1)},
        {"sampling": SamplingConfig(scheduler="euler")},
        {"sampling": SamplingConfig(batch_size=3)},
    ):
        assert GenerateConfig(input="in", output="out", **change).identity() != first.identity()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: GeneratorConfig(model=()), "model.model"),
        (lambda: GeneratorConfig(model=("",)), "model.model"),
        (lambda: GeneratorConfig(model="a/path"), "model.model"),
        (lambda: GeneratorConfig(model=("runs/a/model", "old/a")), "different name for each"),
        (lambda: GeneratorConfig(model=("a-b=x", "a_b=y")), "different name for each"),
        (lambda: GeneratorConfig(model=("my model", "old")), "letters, digits"),
        (lambda: GeneratorConfig(model=("..", "old")), "letters, digits"),
        (lambda: GeneratorConfig(model=("new", "old"), revision="main"), "model.revision"),
        (lambda: CaptionsConfig(count=0), "captions.count"),
        (lambda: CaptionsConfig(per_caption=0), "captions.per-caption"),
        (lambda: CaptionsConfig(seed=-1), "captions.seed"),
        (lambda: SamplingConfig(num_inference_steps=()), "sampling.num-inference-steps"),
        (lambda: SamplingConfig(num_inference_steps=(50, 0)), "sampling.num-inference-steps"),
        (lambda: SamplingConfig(guidance_scale=()), "sampling.guidance-scale"),
        (lambda: SamplingConfig(guidance_scale=(-1.0,)), "sampling.guidance-scale"),
        (lambda: SamplingConfig(guidance_scale=(5.0, 5.0)), "every point of the grid once"),
        (lambda: SamplingConfig(guidance_rescale=2.0), "sampling.guidance-rescale"),
        (lambda: SamplingConfig(eta=2.0), "sampling.eta"),
        (lambda: SamplingConfig(width=0), "sampling.width"),
        (lambda: SamplingConfig(batch_size=0), "sampling.batch-size"),
        (lambda: GenerateConfig(input="in", output="out", shard_samples=0), "shard-samples"),
        (lambda: GenerateConfig(prompt="", output="out"), "prompt"),
    ],
)
def test_a_value_out_of_range_is_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_settings_that_earlier_versions_did_not_have_leave_the_identity_alone_until_they_are_used():
    plain = GenerateConfig(input="in", output="out").identity()["sampling"]
    assert not {"timestep_spacing", "zero_terminal_snr"} & plain.keys()
    trailing = GenerateConfig(input="in", output="out", sampling=SamplingConfig(timestep_spacing="trailing"))
    assert trailing.identity()["sampling"] == plain | {"timestep_spacing": "trailing"}
    assert "zero_terminal_snr" not in DiffusionConfig(input="in", output="out").identity()["loss"]
    loss = DenoisingLossConfig(zero_terminal_snr=True)
    assert DiffusionConfig(input="in", output="out", loss=loss).identity()["loss"]["zero_terminal_snr"] is True
