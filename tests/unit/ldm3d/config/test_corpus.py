"""Configuration is checked when it is made, and every preset and flag is reachable from the command line."""

import dataclasses
import re

import cv2
import numpy as np
import pytest

from jobs.command import parse
from ldm3d.config import (
    LABEL,
    PRESETS,
    AutoencoderConfig,
    ClusterConfig,
    CorpusConfig,
    DiffusionConfig,
    DownloadConfig,
    LabelConfig,
    LatentsConfig,
    SelectConfig,
    ShardConfig,
    WorkersConfig,
    from_json,
    presets_of,
    to_json,
)
from ldm3d.config.corpus import PICTURE_BYTES, PICTURE_BYTES_A_PIXEL
from ldm3d.images import encode_depth

PATHS = ["--input", "in", "--output", "out"]
SELECT_ALL = ["--select.sample", "None", "--select.min-similarity", "0", "--select.min-size", "0"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_what_the_command_line_starts_from(preset):
    command = parse(CorpusConfig, ["--preset", preset, *PATHS])
    assert command.config == CorpusConfig(input="in", output="out", **PRESETS[preset])
    assert not command.dry_run


@pytest.mark.parametrize("config_class", [AutoencoderConfig, LatentsConfig, DiffusionConfig])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_stage_has_every_preset(config_class, preset):
    command = parse(config_class, ["--preset", preset, *PATHS])
    assert command.config == config_class(input="in", output="out", **presets_of(config_class)[preset])


def test_a_flag_changes_one_setting_and_leaves_the_rest():
    command = parse(CorpusConfig, ["--preset", "toy", *PATHS, "--select.sample", "7", "--dry-run"])
    expected = CorpusConfig(input="in", output="out", **PRESETS["toy"])
    assert command.config == dataclasses.replace(expected, select=dataclasses.replace(expected.select, sample=7))
    assert command.dry_run


MODELS = {
    "dpt-large": "Intel/dpt-large",
    "depth-anything-v2": "depth-anything/Depth-Anything-V2-Small-hf",
    "depth-pro": "apple/DepthPro-hf",
}


@pytest.mark.parametrize("preset", MODELS)
def test_a_label_preset_names_a_model_in_place_of_that_of_the_preset(preset):
    found = parse(CorpusConfig, ["--preset", "toy", *PATHS, "--label.preset", preset]).config
    toy = parse(CorpusConfig, ["--preset", "toy", *PATHS]).config
    assert found.label.depth_model == MODELS[preset]
    assert dataclasses.replace(found, label=toy.label) == toy


def test_a_flag_comes_before_the_label_preset():
    flags = ["--label.preset", "depth-pro", "--label.depth-model", "Intel/dpt-large", "--label.revision", "abc"]
    label = parse(CorpusConfig, [*PATHS, *flags]).config.label
    assert (label.depth_model, label.revision) == ("Intel/dpt-large", "abc")
    assert label.batch_size == LABEL["depth-pro"]["batch_size"]


def test_depth_of_ones_own_needs_a_meaning_and_no_model():
    label = parse(CorpusConfig, [*PATHS, "--label.preset", "column", "--label.predicts", "depth"]).config.label
    assert (label.column, label.predicts) == ("depth", "depth")
    identity = CorpusConfig(input="in", output="out", label=label).identity()["label"]
    assert identity == {"column": "depth", "scale": None, "predicts": "depth", "depth_codec": "png"}


def test_outputs_that_were_begun_before_there_were_label_presets_are_taken_up():
    """A setting that is None is like one that is absent: `pipelines.storage.run.changes` compares them so."""
    plain = CorpusConfig(input="in", output="out").identity()
    assert parse(CorpusConfig, [*PATHS, *SELECT_ALL, "--label.preset", "dpt-large"]).config.identity() == plain
    old = {name: value for name, value in plain["label"].items() if value is not None or name == "revision"}
    assert old == {
        "depth_model": "Intel/dpt-large",
        "revision": None,
        "predicts": "auto",
        "batch_size": 32,
        "dtype": "auto",
        "depth_codec": "png",
    }


@pytest.mark.parametrize("flags", [["--label.preset", "midas"], ["--label.preset"]])
def test_an_unknown_label_preset_ends_with_code_2(flags, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(CorpusConfig, [*PATHS, *flags])
    assert stopped.value.code == 2
    assert "label.preset" in capsys.readouterr().err


def test_other_stages_have_no_label_preset(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(LatentsConfig, [*PATHS, "--label.preset", "dpt-large"])
    assert stopped.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize(("name", "value"), [("column", ""), ("scale", 0.0), ("scale", float("nan"))])
def test_a_column_without_a_name_and_a_scale_of_nothing_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"--label\.{name} is "):
        CorpusConfig(input="in", output="out", label=LabelConfig(**{name: value}))


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
        (lambda: SelectConfig(val_fraction=0.7, test_fraction=0.3), "select.test-fraction"),
        (lambda: SelectConfig(sample=0), "select.sample"),
        (lambda: DownloadConfig(encode_quality=0), "download.encode-quality"),
        (lambda: DownloadConfig(deadline_s=0), "download.deadline-s"),
        (lambda: ClusterConfig(label_actors=0), "cluster.label-actors"),
    ],
)
def test_a_value_out_of_range_is_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_a_shard_of_pictures_that_no_array_can_hold_is_refused_with_the_number_that_fits():
    def corpus(image_size: int, rows: int) -> CorpusConfig:
        shards = ShardConfig(rows=rows)
        return CorpusConfig(input="in", output="out", download=DownloadConfig(image_size=image_size), shards=shards)

    with pytest.raises(
        ValueError, match=r"shards.rows is 512, wanted at most \d+ with --download.image-size 1024"
    ) as it:
        corpus(1024, 512)
    most = int(re.search(r"at most (\d+)", str(it.value))[1])
    assert corpus(1024, most).shards.rows == most >= 256
    with pytest.raises(ValueError, match="at most"):
        corpus(1024, most + 1)


@pytest.mark.parametrize("size", [8, 32, 256])
def test_no_picture_takes_more_bytes_than_shards_are_sized_for(size):
    """The worst cases: noise, and noise of black and white, at the highest quality."""
    draw = np.random.default_rng(0)
    shape = (size, size, 3)
    most = PICTURE_BYTES_A_PIXEL * size**2 + PICTURE_BYTES
    for picture in (draw.integers(0, 256, shape), draw.integers(0, 2, shape) * 255):
        jpeg = cv2.imencode(".jpg", picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 100])[1]
        assert len(jpeg) < most
    assert len(encode_depth(draw.integers(0, 2**16, shape[:2], np.uint16), "png")) < most


def test_the_identity_leaves_out_what_cannot_change_the_rows():
    first = CorpusConfig(input="in", output="out")
    slower = DownloadConfig(
        threads=8, per_host=1, timeout_s=20, deadline_s=60, retries=5
    )  # as machines and hosts require
    moved = CorpusConfig(input="there", output="else", cluster=ClusterConfig(download_actors=9), download=slower)
    assert first.identity() == moved.identity()
    assert first.identity() != CorpusConfig(input="in", output="out", download=DownloadConfig(max_bytes=1)).identity()
    assert first.identity() != CorpusConfig(input="in", output="out", select=SelectConfig(seed=1)).identity()


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (SelectConfig(min_similarity=float("nan")), "select.min-similarity"),
        (DownloadConfig(decode_timeout_s=float("inf")), "download.decode-timeout-s"),
        (ClusterConfig(no_progress_timeout_s=float("inf")), "cluster.no-progress-timeout-s"),
    ],
)
def test_numbers_that_are_not_finite_are_refused_by_name(section, name):
    with pytest.raises(ValueError, match=f"{name} is (nan|inf), wanted a finite number"):
        CorpusConfig(input="in", output="out", **{name.split(".")[0]: section})


@pytest.mark.parametrize("config_class", [CorpusConfig, AutoencoderConfig, LatentsConfig, DiffusionConfig])
@pytest.mark.parametrize("preset", ["ldm3d", "ldm3d-4c", "toy"])
def test_a_config_comes_back_from_its_json(config_class, preset):
    config = config_class(input="in", output="out", **presets_of(config_class)[preset])
    assert from_json(config_class, to_json(config)) == config


def test_json_of_another_version_is_refused():
    with pytest.raises(ValueError, match=r"^--input 'in': .*DiffusionConfig.*unheard_of"):
        from_json(DiffusionConfig, {"input": "in", "output": "out", "unheard_of": 1}, "--input 'in': its config.json")
    with pytest.raises(ValueError, match=r"^--input 'in': .*--shards\.rows"):
        from_json(CorpusConfig, {"shards": {"rows": 0}}, "--input 'in': its config.json")


@pytest.mark.parametrize("setting", ["compile", "channels_last"])
def test_what_sharded_weights_do_not_bear_is_refused(setting):
    flag = setting.replace("_", "-")
    with pytest.raises(ValueError, match=rf"--workers\.{flag} is True, wanted False with --workers\.strategy fsdp"):
        WorkersConfig(strategy="fsdp", **{setting: True})
