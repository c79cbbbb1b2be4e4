"""What depth means is told in words with units, whatever the place was made of."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig, SurfaceConfig
from ldm3d.fusion.labels import labelled
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.scene import Scene
from ldm3d.immersive.projection import Perspective

CONFIG = DepthFusionConfig(input="in", output="out", surface=SurfaceConfig(steepest=80.0, background="none"))
NUMBERS = np.linspace(2, 4, 32).reshape(4, 8)
PICTURE = np.zeros((4, 8, 3), np.uint8)


def words(made: Panorama, config: DepthFusionConfig = CONFIG) -> dict[str, str]:
    return labelled(Scene(made, config).facts())


@pytest.mark.parametrize(
    ("kind", "is_flat"),
    [("z", True), *((kind, is_flat) for kind in ("distance", "inverse", "relative") for is_flat in (True, False))],
)
def test_no_label_and_no_text_is_a_name_of_the_code(kind, is_flat):
    numbers = NUMBERS / 4 if kind == "relative" else NUMBERS
    around = () if not is_flat else (Perspective(55),)
    made = Panorama.of(PICTURE, numbers, kind, DepthMeaningConfig(), *around)
    about = {
        "source": "room",
        "redrawn": {"prompt": "a room", "seed": 7, "model": "c0ffee", "unknown_share_before": 0.0},
    }
    found = words(replace(made, about=about))
    for label, text in found.items():
        assert re.fullmatch(r"[A-Z][a-z]+( [a-z]+)*", label)
        assert not re.search(r'[{}"_]|null|true|false|None', text)


def test_numbers_have_units():
    depth = DepthMeaningConfig(near=1.0, far=9.0)
    made = Panorama.of(PICTURE, NUMBERS / 4 - 0.5, "relative", depth)
    unknown = np.where(NUMBERS > 3.9, np.nan, made.distance)
    found = words(replace(made, distance=unknown), replace(CONFIG, depth=depth))
    assert found["Distances"].endswith(" m: metres along the ray")
    assert found["Unknown depth"] == "6.25 % of the picture"
    assert found["Metres from it"] == (
        "R (1 - s (2 d - 1)), where R is 5 m and s is 0.8 (the rule paper): 1 m where d is 1, 9 m where d is 0"
    )
    assert "steeper than 80 degrees" in found["Edges"]
    assert found["Behind edges"] == "nothing"
    flat = words(Panorama.of(PICTURE, NUMBERS, "z", CONFIG.depth, Perspective(48.5)))
    assert flat["Picture"] == "flat, 48.5 degrees from top to bottom"


def test_metres_are_said_to_be_assumed_or_not():
    assumed = Panorama.of(PICTURE, NUMBERS / 4, "relative", CONFIG.depth)
    assert words(assumed)["Metres"].startswith("assumed: --depth.near and --depth.far")
    given = Panorama.of(PICTURE, NUMBERS, "distance", CONFIG.depth)
    assert not words(given)["Metres"].startswith("assumed")


def test_a_model_is_named_first_and_what_is_not_known_here_keeps_its_name():
    made = Panorama.of(PICTURE, NUMBERS, "inverse", CONFIG.depth)
    model = {"licence": "mit", "model": "a/model", "revision": None, "meaning": "1 / metre along the ray"}
    found = words(replace(made, kind="estimated", about={"estimated": model, "new_fact": 3, "seed": None}))
    assert found["Depth was given as"] == "no map: a depth model estimated it"
    assert found["Estimated by"] == "a/model; licence: mit; meaning: 1 / metre along the ray"
    assert found["New fact"] == "3"
    assert "Seed" not in found
