"""Configuration is checked when it is made, and every preset and flag is reachable from the command line."""

import dataclasses

import pytest

from jobs.command import parse
from ldm3d.config import PRESETS, ClusterConfig, CorpusConfig, DownloadConfig, SelectConfig

PATHS = ["--input", "in", "--output", "out"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_what_the_command_line_starts_from(preset):
    command = parse(CorpusConfig, ["--preset", preset, *PATHS])
    assert command.config == CorpusConfig(input="in", output="out", **PRESETS[preset])
    assert not command.dry_run


def test_a_flag_changes_one_setting_and_leaves_the_rest():
    command = parse(CorpusConfig, ["--preset", "toy", *PATHS, "--select.sample", "7", "--dry-run"])
    expected = CorpusConfig(input="in", output="out", **PRESETS["toy"])
    assert command.config == dataclasses.replace(expected, select=dataclasses.replace(expected.select, sample=7))
    assert command.dry_run


@pytest.mark.parametrize(
    "arguments", [["--preset", "huge", *PATHS], [*PATHS, "--select.nothing", "1"], ["--input", "in"]]
)
def test_a_wrong_command_line_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(CorpusConfig, arguments)
    assert stopped.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: SelectConfig(val_fraction=0.7, test_fraction=0.3), "select.test_fraction"),
        (lambda: SelectConfig(sample=0), "select.sample"),
        (lambda: DownloadConfig(encode_quality=0), "download.encode_quality"),
        (lambda: DownloadConfig(deadline_s=0), "download.deadline_s"),
        (lambda: ClusterConfig(label_actors=0), "cluster.label_actors"),
    ],
)
def test_a_value_out_of_range_is_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_the_identity_leaves_out_what_cannot_change_the_rows():
    first = CorpusConfig(input="in", output="out")
    moved = CorpusConfig(input="there", output="else", cluster=ClusterConfig(download_actors=9))
    assert first.identity() == moved.identity()
    assert first.identity() != CorpusConfig(input="in", output="out", select=SelectConfig(seed=1)).identity()
