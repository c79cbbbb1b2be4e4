"""What is wrong with a body is said in a sentence, and nothing is converted silently."""

import pytest
from pydantic import ValidationError

from pipelines.serving.bodies import ImagesBody, RgbdBody, plain, refusal


def refused(kind: type, **body: object) -> tuple[str, str | None, str]:
    with pytest.raises(ValidationError) as error:
        kind.model_validate(body)
    return plain(error.value.errors())


@pytest.mark.parametrize(
    ("body", "param", "code", "said"),
    [
        ({"prompt": "a", "stepz": 1}, "stepz", "unknown_field", "there is no field 'stepz'"),
        ({}, "prompt", "missing", "prompt is missing"),
        ({"prompt": 3}, "prompt", "invalid_value", "prompt is 3, wanted a valid string"),
        ({"prompt": "a", "steps": "3"}, "steps", "invalid_value", "steps is '3', wanted a valid integer"),
        ({"prompt": "a", "steps": True}, "steps", "invalid_value", "steps is True, wanted a valid integer"),
        ({"prompt": "a", "steps": 0}, "steps", "invalid_value", "steps is 0, wanted greater than or equal to 1"),
        ({"prompt": "a", "seed": 2**32}, "seed", "invalid_value", "seed is 4294967296, wanted less than"),
        ({"prompt": "a", "guidance": float("nan")}, "guidance", "invalid_value", "guidance is nan, wanted a finite"),
        ({"prompt": "a", "exact": "no"}, "exact", "invalid_value", "exact is 'no', wanted a valid boolean"),
        ({"prompt": "\ud800"}, "prompt", "invalid_value", "wanted whole characters"),
        ({"prompt": "a", "x" * 999: 1}, "x" * 64, "unknown_field", "there is no field"),
    ],
)
def test_a_bad_body_is_told_what_and_where(body, param, code, said):
    message, name, word = refused(RgbdBody, **body)
    assert (name, word) == (param, code)
    assert said in message
    assert len(message) < 300
    message.encode()


def test_a_large_value_is_shown_in_part():
    message, _, _ = refused(RgbdBody, prompt="a", steps="9" * 10_000)
    assert len(message) < 200


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 11), ("response_format", "url"), ("output_format", "webp"), ("quality", "hd"), ("partial_images", 4)],
)
def test_what_the_openai_api_has_and_we_have_not_is_refused_by_name(field, value):
    assert refused(ImagesBody, prompt="a", **{field: value})[1] == field


def test_a_client_of_the_openai_api_may_send_what_changes_nothing():
    ImagesBody.model_validate(
        {"prompt": "a", "user": "me", "quality": "auto", "background": "opaque", "moderation": "low", "n": None}
    )


@pytest.mark.parametrize(
    ("said", "param", "message"),
    [
        ("num_inference_steps is 0, wanted 1 or more", "steps", "steps is 0, wanted 1 or more"),
        ("width is 33 pixels, wanted a multiple of 8", "width", "width is 33 pixels, wanted a multiple of 8"),
        ("the model cannot", None, "the model cannot"),
    ],
)
def test_a_refusal_of_the_library_names_the_field(said, param, message):
    problem = refusal(said)
    assert (problem.status, problem.param, problem.message) == (400, param, message)
