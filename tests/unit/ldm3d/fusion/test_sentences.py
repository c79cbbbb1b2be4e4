"""Whoever made a place is told what of its metres is assumed or unknown, and nothing where all were given."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.scene import Scene
from ldm3d.fusion.sentences import percent, sentences, sentences_of_many

PICTURE = np.zeros((4, 8, 3), np.uint8)
SHARES = np.linspace(0, 1, 32).reshape(4, 8)


def told(numbers: np.ndarray, **depth: Any) -> str:
    """What is said of a place whose map holds these numbers."""
    config = DepthFusionConfig(input="in", output="out", depth=DepthMeaningConfig(**depth))
    made = Panorama.of(PICTURE, numbers, config.depth.kind or "relative", config.depth)
    return " ".join(sentences(Scene(made, config).facts()))


@pytest.mark.parametrize(
    ("depth", "is_assumed"),
    [
        ({}, True),
        ({"rule": "disparity", "invert": True}, True),
        ({"near": 1.0, "far": 9.0}, False),
        ({"amount": 0.3}, False),
        ({"radius": 5.0}, False),
    ],
)
def test_metres_of_relative_depth_are_assumed_where_nobody_says_how_far_it_reaches(depth, is_assumed):
    said = told(SHARES, **depth)
    assert ("metres are assumed" in said) == ("--depth.near and --depth.far" in said) == is_assumed


@pytest.mark.parametrize("kind", ["distance", "inverse"])
def test_metres_that_were_given_need_no_word(kind):
    assert told(SHARES + 1, kind=kind) == ""


def test_it_is_said_how_much_depth_is_unknown_and_what_is_there():
    distance = SHARES + 1
    distance[0, :4] = np.nan
    assert told(distance, kind="distance") == "Depth is unknown in 12.5 % of the picture: nothing is seen there."
    zeros = np.full((4, 8), 7, np.uint16)
    zeros[0, 0] = 0
    assert "unknown in 3.12 % of the picture" in told(zeros, kind="distance")


@pytest.mark.parametrize(
    ("nearest", "dtype", "depth", "is_asked"),
    [
        (412, np.uint16, {"kind": "distance"}, True),
        (101, np.uint16, {"kind": "distance"}, True),
        (100, np.uint16, {"kind": "distance"}, False),
        (412, np.uint16, {"kind": "distance", "scale": 0.001}, False),
        (412, np.uint16, {"kind": "distance", "scale": 2.0}, False),  # someone thought of the unit
        (412, np.float32, {"kind": "distance"}, False),  # metres of a landscape
        (412, np.uint16, {"kind": "distance", "far": 90.0}, True),  # which puts all in one place
        (412, np.uint16, {"kind": "inverse"}, False),
    ],
)
def test_whole_numbers_of_which_none_is_below_100_m_may_be_millimetres(nearest, dtype, depth, is_asked):
    numbers = np.arange(nearest, nearest + 32).reshape(4, 8).astype(dtype)
    numbers[3, 3] = 0 if dtype == np.uint16 and depth["kind"] == "distance" else nearest
    said = told(numbers, **depth)
    assert ("--depth.scale 0.001" in said) == is_asked
    if is_asked and "far" not in depth:
        assert f"Nothing is nearer than {nearest} m" in said


def test_what_a_model_drew_where_depth_was_unknown_is_said():
    config = DepthFusionConfig(input="in", output="out")
    made = Panorama.of(PICTURE, SHARES + 1, "distance", config.depth)
    drawn = replace(made, about={"redrawn": {"unknown_share_before": 0.25}})
    said = sentences(Scene(drawn, config).facts())
    assert said == ["Depth was unknown in 25 % of the picture: there it is what the model drew."]


def test_many_places_are_told_together():
    depth = {"metres_assumed": 1, "perhaps_millimetres": 2, "unknown": 1_500, "unknown_share": 0.042, "redrawn": 0}
    assert sentences_of_many(depth) == [
        "The metres of 1 place are assumed, as depth is relative: --depth.near and --depth.far, in metres, say how "
        "near and far it reaches.",
        "Depth was not given in 4.2 % of all pixels, in 1,500 places: nothing is seen there.",
        "In 2 places nothing is nearer than 100 m, and the map holds whole numbers: where these are millimetres, give "
        "--depth.scale 0.001.",
    ]
    assert sentences_of_many({"redrawn": 1, "redrawn_share": 1e-6})[0].startswith("Depth was not given in less than")
    assert sentences_of_many({}) == []


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100 %"), (0.1234, "12.3 %"), (1e-4, "0.01 %"), (3e-6, "less than 0.01 %")]
)
def test_shares_are_percent(share, text):
    assert percent(share) == text
