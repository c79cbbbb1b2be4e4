"""What a panorama hides is drawn by a text of its own, and the panorama stays as it is."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ldm3d.config import (
    DepthFusionConfig,
    DepthMeaningConfig,
    ExportsConfig,
    GeneratorConfig,
    ModelConfig,
    SamplingConfig,
    SurfaceConfig,
)
from ldm3d.config.drawing import Drawing
from ldm3d.fusion.behind import behind_of, prompt_behind
from ldm3d.fusion.fuse import fuse
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.redraw import Redrawer
from ldm3d.immersive.background import Background
from ldm3d.immersive.depth_files import npy
from ldm3d.immersive.inpainting import inpaint
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.still import Provenance, png
from ldm3d.keys import hidden_seed
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.redrawing import PanoramaRedrawing
from ldm3d.toy import room

pytestmark = pytest.mark.usefixtures("one_thread")
PICTURE, DISTANCE = room.panorama(64)
SEED, STEPS, SCALE = 3, 2, 3.0


@pytest.fixture(scope="module")
def config(toy_base, tmp_path_factory) -> DepthFusionConfig:
    """A room with its distances, and a model of random weights."""
    root = tmp_path_factory.mktemp("behind")
    save_pipeline(root / "model", load_base(ModelConfig(base=str(toy_base))))
    (root / "room.png").write_bytes(png(PICTURE, Layout("360"), Provenance(None)))
    (root / "room-depth.npy").write_bytes(npy(DISTANCE))
    return DepthFusionConfig(
        input=str(root / "room.png"),
        output=str(root / "out"),
        seed=SEED,
        depth=DepthMeaningConfig(kind="distance"),
        surface=SurfaceConfig(background="inpaint"),
        exports=ExportsConfig(formats=("mesh",)),
        model=GeneratorConfig(model=(str(root / "model"),), precision="fp32"),
        sampling=SamplingConfig(num_inference_steps=(STEPS,), guidance_scale=(SCALE,), batch_size=1),
    )


def guided_by(config: DepthFusionConfig, prompt: str | None, whole: str | None = None) -> DepthFusionConfig:
    return replace(config, prompt=whole, surface=SurfaceConfig(background="inpaint", prompt=prompt))


def drawn(config: DepthFusionConfig) -> Background:
    """What the stage draws behind the room."""
    redrawer = Redrawer(RgbdPipeline.from_pretrained(config.model.model[0]), config)
    behind = behind_of(config, redrawer, SEED)
    assert behind is not None
    return behind(PICTURE, DISTANCE)


@pytest.mark.parametrize(
    ("prompt", "whole", "scale"),
    [("bare walls", None, SCALE), (None, None, 1.0), ("bare walls", "a forest", SCALE), (None, "a forest", SCALE)],
)
def test_it_is_what_the_library_draws_of_that_text_with_the_seed_of_what_is_hidden(config, prompt, whole, scale):
    """Of two texts that of its own counts. Without any there is nothing to guide by, as before there was a flag."""
    found = drawn(guided_by(config, prompt, whole))
    pipeline = RgbdPipeline.from_pretrained(config.model.model[0])
    drawing = Drawing(num_inference_steps=STEPS, guidance_scale=scale)
    redraw = PanoramaRedrawing(pipeline, prompt or whole or "", hidden_seed(SEED), drawing=drawing)
    wanted = inpaint(PICTURE, DISTANCE, redraw, height=Redrawer(pipeline, config).size()[0])
    np.testing.assert_array_equal(found.picture, wanted.picture)
    np.testing.assert_array_equal(found.distance, wanted.distance)


def test_texts_change_what_is_hidden_and_nothing_else(config, tmp_path):
    made = {}
    for name, prompt in (("bare", "bare walls"), ("forest", "a green forest"), ("none", None)):
        facts = fuse(replace(guided_by(config, prompt), output=str(tmp_path / name)))
        assert facts["depth"]["inpainted"]["prompt"] == prompt
        assert facts["depth"]["inpainted"]["seed"] == hidden_seed(SEED)
        assert "redrawn" not in facts["depth"]
        made[name] = (tmp_path / name / "mesh.glb").read_bytes().partition(b"BIN\0")[2]  # without what is said of it
        np.testing.assert_array_equal(Image.open(tmp_path / name / "panorama.png"), PICTURE)
    assert len(set(made.values())) == 3


@pytest.mark.parametrize(
    ("prompt", "caption", "told"),
    [
        (None, "a red cube", "a forest"),
        ("bare walls", "a red cube", "bare walls"),
        ("{caption}", "a red cube", "a red cube"),
        ("{caption}, {empty}", "a {red} cube", "a {red} cube, {empty}"),
        ("{caption}", "", None),
    ],
)
def test_a_caption_takes_its_place_in_the_text_and_no_other_brace_means_anything(config, prompt, caption, told):
    many = replace(config, input="samples")
    assert prompt_behind(guided_by(many, prompt, "a forest"), caption) == told


def test_a_panorama_that_is_redrawn_keeps_the_caption_of_its_row(config):
    given = replace(Panorama.of(PICTURE, DISTANCE, "distance", config.depth), caption="a red cube")
    redrawer = Redrawer(RgbdPipeline.from_pretrained(config.model.model[0]), guided_by(config, None, "a forest"))
    assert redrawer(given, SEED).caption == "a red cube"


def test_where_no_model_draws_there_is_none(config):
    assert behind_of(replace(config, surface=SurfaceConfig()), None, SEED) is None
