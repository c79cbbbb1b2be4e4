"""What keeps an output from being continued is said in flags and values as a person types them."""

import dataclasses
import re

import pytest

from jobs.command import parse
from ldm3d.config import (
    AutoencoderConfig,
    CorpusConfig,
    DenoisingLossConfig,
    DiffusionConfig,
    DownloadConfig,
    DuplicatesConfig,
    GenerateConfig,
    LatentsConfig,
    LoopConfig,
    SelectConfig,
    ShardConfig,
    stage_of,
)
from pipelines.storage.changes import changes
from pipelines.storage.folder import Folder
from pipelines.storage.run import check_output, save_config

PLAIN = CorpusConfig(input="in", output="out")


def identity(config, **content) -> dict:
    return config.identity() | {"stage": stage_of(type(config))} | content


def changed(before, now) -> list[str]:
    return changes(identity(before), identity(now))


@pytest.mark.parametrize(
    ("section", "now", "line"),
    [
        ("download", DownloadConfig(allow_addresses=("10.0.0.5",)), "was (nothing), is 10.0.0.5"),
        ("download", DownloadConfig(files_under=("s3://a", "/my disk")), "was not given, is s3://a '/my disk'"),
        ("select", SelectConfig(nsfw=("UNLIKELY", "UNSURE")), "was UNLIKELY, is UNLIKELY UNSURE"),
        ("select", SelectConfig(sample=7), "was None, is 7"),
        ("select", SelectConfig(url_column="my url"), "was not given, is 'my url'"),
        ("duplicates", DuplicatesConfig(remove=False), "was on, is off (--duplicates.no-remove)"),
    ],
)
def test_a_setting_is_named_by_its_flag_with_both_values_as_typed(section, now, line):
    (said,) = changed(PLAIN, dataclasses.replace(PLAIN, **{section: now}))
    flag, _, values = said.partition(" ")
    assert values == line
    assert re.fullmatch(rf"--{section}\.[a-z-]+", flag)


def test_a_setting_that_stands_alone_and_one_of_two_levels():
    plain = LatentsConfig(input="in", output="out")
    assert changed(plain, dataclasses.replace(plain, flips=True)) == ["--flips was off (--no-flips), is on"]
    before = AutoencoderConfig(input="in", output="out", loop=LoopConfig(epochs=3, batch_size=8))
    perceptual = dataclasses.replace(before.loss.perceptual, rgb_weight=0.5)
    now = dataclasses.replace(before, loss=dataclasses.replace(before.loss, perceptual=perceptual))
    assert changed(before, now) == ["--loss.perceptual.rgb-weight was 1.0, is 0.5"]


def test_a_setting_that_an_older_version_did_not_know():
    plain = DiffusionConfig(input="in", output="out")
    now = dataclasses.replace(plain, loss=DenoisingLossConfig(prediction="v_prediction", zero_terminal_snr=True))
    assert "--loss.zero-terminal-snr was not given, is on" in changed(plain, now)


@pytest.mark.parametrize(
    "config_class", [CorpusConfig, AutoencoderConfig, LatentsConfig, DiffusionConfig, GenerateConfig]
)
def test_every_flag_that_can_be_named_is_one_of_the_stage(config_class, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        parse(config_class, ["--help"])
    known = set(re.findall(r"--[\w.-]+", capsys.readouterr().out))
    now = identity(config_class(input="in", output="out"), **dict.fromkeys(("base", "data"), "other"))
    lines = changes({"stage": now["stage"]}, now)
    flags = {line.partition(" ")[0] for line in lines}
    assert len(flags) >= 4
    assert flags - {"--model.base"} <= known


def test_of_models_and_inputs_no_fingerprint_is_shown():
    print_of = {"train": "0123456789abcdef", "val": "0123456789abcdef"}
    before = {
        "stage": "train_diffusion",
        "base": "unet:sha256:0123",
        "data": print_of,
        "autoencoder": {"fingerprint": "0"},
    }
    now = {
        "stage": "train_diffusion",
        "base": "a/b@main",
        "data": print_of | {"val": "f"},
        "autoencoder": {"fingerprint": "1"},
    }
    assert changes(before, now) == [
        "--model.autoencoder is another model than then",
        "--model.base is another model than then",
        "--input holds something else than then",
    ]
    assert changes({"base": "a/b@main"}, {"base": "a/c@main"}) == ["--model.base was a/b@main, is a/c@main"]
    assert changes({"text": None}, {"text": "0123"}) == ["--text.base was None, is given"]
    assert changes({"stage": "generate", "model": "01"}, {"stage": "generate", "model": {"a": "01", "b": "02"}}) == [
        "--model.model is another model than then"
    ]


def test_of_several_models_the_one_that_differs_is_named():
    before = {"stage": "generate", "model": {"a": "01", "b": "02", "c": "03"}}
    now = {"stage": "generate", "model": {"a": "01", "b": "04", "d": "03"}}
    assert changes(before, now) == [
        "--model.model named c= then",
        "--model.model did not name d= then",
        "--model.model b= is another model than then",
    ]


def test_no_difference_is_overlooked():
    assert changes({"a": {}}, {"a": None}) != []
    assert changes({"a": {"b": [1]}}, {"a": {"b": [1, 2]}}) != []
    assert changes({"a": {"b": 1}}, {"a": {"b": 1}}) == []


def test_many_changes_are_cut_with_a_count_and_the_refusal_ends_with_what_to_do(tmp_path):
    output = Folder(str(tmp_path))
    before = CorpusConfig(input="in", output=str(tmp_path))
    save_config(output, identity(before), {})
    toy = parse(CorpusConfig, ["--preset", "toy", "--input", "in", "--output", str(tmp_path)]).config
    every = len(changed(before, toy))
    with pytest.raises(ValueError, match=r"^--output .* was begun with other settings: --") as refused:
        check_output(output, identity(toy))
    said = str(refused.value)
    assert said.count(" was ") == 7  # and the beginning
    assert f"; and {every - 6} more (the old values are in {tmp_path}/config.json). " in said
    assert said.endswith("Give the same settings as then to resume it, or another --output.")


def test_what_is_finished_cannot_be_resumed(tmp_path):
    output = Folder(str(tmp_path))
    before = CorpusConfig(input="in", output=str(tmp_path))
    save_config(output, identity(before), {})
    output.write("_SUCCESS.json", b"{}")
    with pytest.raises(ValueError, match=r"It is finished: give another --output\.$"):
        check_output(output, identity(dataclasses.replace(before, shards=ShardConfig(rows=7))))
