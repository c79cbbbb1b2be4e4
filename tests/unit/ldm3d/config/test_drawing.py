"""A drawing holds the paper's settings unless told otherwise, and none that are out of range."""

import pytest

from ldm3d.config import Drawing, SamplingConfig


def test_the_defaults_are_the_papers():
    drawing = Drawing()
    assert (drawing.num_inference_steps, drawing.guidance_scale, drawing.guidance_rescale) == (50, 5.0, 0.0)
    assert (drawing.eta, drawing.batch_size, drawing.panorama, drawing.tile) == (None, None, False, None)


def test_a_point_of_a_grid_is_drawn_with_the_settings_of_its_configuration():
    config = SamplingConfig(guidance_scale=(1.0, 3.0), guidance_rescale=0.7, eta=1.0, tile=512, batch_size=3)
    drawings = [config.drawing(point) for point in config.grid()]
    wanted = {"guidance_rescale": 0.7, "eta": 1.0, "tile": 512, "batch_size": 3}
    assert drawings == [Drawing(guidance_scale=scale, **wanted) for scale in (1.0, 3.0)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance_scale": -1}, "guidance_scale is -1"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"guidance_rescale": 1.5}, "guidance_rescale is 1.5"),
        ({"eta": 1.5}, "eta is 1.5, wanted 0 to 1"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Drawing(**settings)
