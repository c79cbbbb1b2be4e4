"""A model draws the part of a panorama that is asked for, across the seam, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from ldm3d.config import Drawing, ModelConfig
from ldm3d.immersive.inpainting import inpaint
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.redrawing import PanoramaRedrawing
from ldm3d.toy import room

pytestmark = pytest.mark.usefixtures("one_thread")

PICTURE, DISTANCE = room.panorama(32)
DEPTH = np.round(DISTANCE.min() / DISTANCE * DEPTH_MAX).astype(np.uint16)


@pytest.fixture(scope="module")
def redraw(toy_base, tmp_path_factory) -> PanoramaRedrawing:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_pipeline(folder, load_base(ModelConfig(base=str(toy_base))))
    pipeline = RgbdPipeline.from_pretrained(str(folder))
    return PanoramaRedrawing(pipeline, "a room", seed=5, drawing=Drawing(num_inference_steps=2))


def test_only_what_is_asked_for_is_drawn_and_alike_again(redraw):
    where = np.zeros(DEPTH.shape, np.bool_)
    where[8:24, 20:30] = True
    (image, depth), (again, _) = redraw(PICTURE, DEPTH, where), redraw(PICTURE, DEPTH, where)
    np.testing.assert_array_equal(image[~where], PICTURE[~where])
    np.testing.assert_array_equal(depth[~where], DEPTH[~where])
    np.testing.assert_array_equal(image, again)
    assert (image[where] != PICTURE[where]).any(axis=-1).mean() > 0.9


def test_left_and_right_are_neighbours_whatever_the_settings_say(redraw):
    where = np.zeros(DEPTH.shape, np.bool_)
    where[8:24, :4] = where[8:24, -4:] = True
    flat = replace(redraw, drawing=Drawing(num_inference_steps=2, panorama=False))
    pictures = {"image": PICTURE, "depth": DEPTH, "mask": where, "output_type": "np"}
    wrapped, cut = (
        redraw.pipeline("a room", **pictures, strength=1.0, seed=5, num_inference_steps=2, panorama=panorama).images[0]
        for panorama in (True, False)
    )
    np.testing.assert_array_equal(flat(PICTURE, DEPTH, where)[0], wrapped)
    assert (wrapped != cut).any()


def test_guidance_leads_away_from_a_negative_prompt(redraw):
    where = np.ones(DEPTH.shape, np.bool_)
    plain, led = (each(PICTURE, DEPTH, where)[0] for each in (redraw, replace(redraw, negative_prompt="a forest")))
    assert (plain != led).any()


def test_it_serves_what_lies_behind(redraw):
    found = inpaint(PICTURE, DISTANCE, redraw)
    hidden = np.isfinite(found.distance)
    assert hidden.any()
    assert (found.distance[hidden] >= DISTANCE[hidden] * (1 - 1e-9)).all()
