"""The name in a card is a function of the content alone, the same in every version."""

from ldm3d.card import content_name


def test_the_name_of_a_content_stays():
    """`load_dataset` takes it: another name for the same rows would break who uses it."""
    assert content_name([["rgbd/train/00000.parquet", 10]]) == "42c6dc5e64688b91"
    assert content_name({"b": 1, "a": 2}) == "6f21dfd78e16c056"
