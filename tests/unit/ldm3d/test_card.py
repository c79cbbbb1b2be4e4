"""The name in a card is a function of the content alone, the same in every version; the card states licences."""

import pytest

from ldm3d.card import content_name, dataset_card
from ldm3d.config import CorpusConfig, SelectConfig
from ldm3d.config.places import shown


def test_the_name_of_a_content_stays():
    """`load_dataset` takes it: another name for the same rows would break who uses it."""
    assert content_name([["rgbd/train/00000.parquet", 10]]) == "42c6dc5e64688b91"
    assert content_name({"b": 1, "a": 2}) == "6f21dfd78e16c056"


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        ({"depth_model": "a/b", "depth_model_licence": "mit"}, "The licence of the depth model `a/b`: mit."),
        ({"depth_column": "own"}, "Depth is that of the metadata's column `own`; its licence is not stated."),
    ],
)
def test_the_card_states_the_licence_of_what_depth_came_from(depth, expected):
    summary = {"rows_kept": 0, "rows_read": 0, "rows_rejected": {}, "splits": {}}
    card = dataset_card(summary, CorpusConfig(input="in", output="out").settings(), depth, "name")
    assert expected in card.split("## Licence")[1]


def test_rows_that_a_sample_left_out_are_not_called_rejected():
    summary = {"rows_kept": 1, "rows_read": 9, "rows_rejected": {"timeout": 2}, "splits": {"train": 1}}
    config = CorpusConfig(input="in", output="out", select=SelectConfig(sample=3)).settings()
    card = dataset_card(summary | {"rows_not_sampled": 6}, config, {"depth_column": "own"}, "name")
    rejected = card.split("## Rejected rows")[1].split("## Settings")[0]
    assert "6 more rows passed the selection, and `select.sample` 3 left them out." in rejected
    assert "not_sampled" not in rejected
    assert "select" not in dataset_card(summary, config, {"depth_column": "own"}, "name").split("## Settings")[0]


def test_no_folder_of_this_machine_is_in_a_card():
    summary = {"rows_kept": 1, "rows_read": 1, "rows_rejected": {}, "splits": {"train": 1}}
    config = CorpusConfig(input="/home/me/secret/laion", output="/scratch/me/out").settings()
    card = dataset_card(summary, config, {"depth_model": "/scratch/me/models/depth"}, "name")
    assert "/home/me" not in card
    assert "/scratch" not in card
    assert "`secret/laion`" in card
    assert "`models/depth`" in card


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("/a/b/c/model", "c/model"),
        ("/model", "/model"),
        ("ours=/a/b/c/model/", "ours=c/model"),
        ("s3://bucket/a/b/model", "s3://bucket/a/b/model"),
        ("Intel/ldm3d", "Intel/ldm3d"),
        ("runs/demo/models/depth", "runs/demo/models/depth"),
        ("depth_min + depth / 65535 * (depth_max - depth_min)",) * 2,
    ],
)
def test_only_absolute_paths_are_shortened(value, written):
    assert shown(value) == written
