"""The name in a card is a function of the content alone, the same in every version; the card states licences."""

import pytest

from ldm3d.card import content_name, dataset_card
from ldm3d.config import CorpusConfig


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
