"""Settings of the latents stage are reachable from the command line, checked, and identified by what they change."""

import pytest

from jobs.command import parse
from ldm3d.config import ActorsConfig, EncodeConfig, LatentsConfig, TrainedAutoencoderConfig, presets_of

PATHS = ["--input", "in", "--output", "out"]


@pytest.mark.parametrize("preset", ["ldm3d", "ldm3d-4c", "toy"])
def test_a_preset_is_what_the_command_line_starts_from(preset):
    expected = LatentsConfig(input="in", output="out", **presets_of(LatentsConfig)[preset])
    assert parse(LatentsConfig, ["--preset", preset, *PATHS]).config == expected


def test_only_what_changes_rows_is_part_of_the_identity():
    first = LatentsConfig(input="in", output="out")
    moved = LatentsConfig(
        input="in2",
        output="out2",
        model=TrainedAutoencoderConfig(autoencoder="elsewhere"),  # its weights are compared instead
        cluster=ActorsConfig(actors=3),
    )
    assert moved.identity() == first.identity()
    for change in (
        {"flips": True},
        {"encode": EncodeConfig(batch_size=3)},
        {"encode": EncodeConfig(precision="bf16")},
    ):
        assert LatentsConfig(input="in", output="out", **change).identity() != first.identity()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: EncodeConfig(batch_size=0), "encode.batch-size"),
        (lambda: TrainedAutoencoderConfig(autoencoder=""), "model.autoencoder"),
        (lambda: ActorsConfig(actors=0), "cluster.actors"),
        (lambda: ActorsConfig(gpus=-1), "cluster.gpus"),
        (lambda: ActorsConfig(no_progress_timeout_s=0), "cluster.no-progress-timeout-s"),
    ],
)
def test_a_value_out_of_range_is_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()
