"""From a body to what is drawn: defaults, seeds, limits."""

import pytest

from ldm3d.config import DefaultsConfig, LimitsConfig, ServeConfig
from pipelines.serving.bodies import RgbdBody
from pipelines.serving.limits import model_of, request_of
from pipelines.serving.messages import About
from pipelines.serving.problem import ProblemError

ABOUT = About(64, 32, has_depth=True, fingerprint="f", created=0)
CONFIG = ServeConfig(
    defaults=DefaultsConfig(scheduler="dpmpp", steps=10, guidance=2.0, exact=False),
    limits=LimitsConfig(prompt=10, steps=20, pixels=4_096, guidance=9.0),
)


def asked(width=None, height=None, **fields):
    body = RgbdBody(prompt="a", **fields)
    return request_of(body, CONFIG, ABOUT, width=width, height=height, previews=3)


def test_what_is_not_said_is_the_services_default():
    request = asked()
    said = (request.scheduler, request.num_inference_steps, request.guidance_scale, request.exact, request.previews)
    assert said == ("dpmpp", 10, 2.0, False, 3)
    assert (request.width, request.height, request.negative_prompt, request.panorama) == (None, None, "", False)


def test_what_is_said_counts_zero_too():
    request = asked(seed=0, guidance=0.0, steps=1, exact=True, scheduler="euler", guidance_rescale=0.7)
    said = (request.seed, request.guidance_scale, request.num_inference_steps, request.exact, request.scheduler)
    assert said == (0, 0.0, 1, True, "euler")
    assert request.guidance_rescale == 0.7


def test_without_a_seed_each_request_has_another():
    assert len({asked().seed for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"steps": 21}, "steps"),
        ({"guidance": 9.5}, "guidance"),
        ({"negative_prompt": "x" * 11}, "negative_prompt"),
        ({"scheduler": "magic"}, "scheduler"),
        ({"width": 65, "height": 64}, "size"),
        ({"height": 65}, "size"),  # times the model's own width
    ],
)
def test_beyond_a_limit_the_field_is_named(fields, param):
    with pytest.raises(ProblemError) as refused:
        asked(**fields)
    assert (refused.value.problem.status, refused.value.problem.param) == (400, param)
    assert "wanted" in refused.value.problem.message


def test_the_first_model_is_drawn_with_and_an_unknown_one_is_missing():
    assert model_of(RgbdBody(prompt="a"), ("x", "y")) == "x"
    assert model_of(RgbdBody(prompt="a", model="y"), ("x", "y")) == "y"
    with pytest.raises(ProblemError, match="there are x, y") as refused:
        model_of(RgbdBody(prompt="a", model="z"), ("x", "y"))
    assert (refused.value.problem.status, refused.value.problem.code) == (404, "model_not_found")
