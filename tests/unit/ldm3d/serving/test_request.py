"""What may be asked for, and when previews are due."""

import pytest

from ldm3d.serving.request import DrawRequest


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seed": -1}, "seed -1 is out of range"),
        ({"previews": -1}, "previews is -1, wanted 0 or more"),
        ({"scheduler": "best"}, "scheduler is 'best', wanted one of ddim"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"guidance_scale": float("inf")}, "guidance_scale is inf"),
    ],
)
def test_what_cannot_be_is_refused_in_words(settings, words):
    with pytest.raises(ValueError, match=words):
        DrawRequest(**{"prompt": "a", "seed": 0} | settings)


@pytest.mark.parametrize(
    ("previews", "steps", "due"),
    [(0, 50, []), (1, 50, [1]), (3, 10, [1, 4, 7]), (8, 4, [1, 2, 3]), (2, 1, [])],
)
def test_previews_are_spread_from_the_first_step_on_and_end_before_the_picture(previews, steps, due):
    request = DrawRequest(prompt="a", seed=0, previews=previews)
    assert [step for step in range(1, steps + 1) if request.shows_after(step, steps)] == due
