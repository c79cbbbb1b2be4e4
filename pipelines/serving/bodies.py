"""The bodies of requests: which fields there are. Others are refused by name, and nothing is converted silently."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ldm3d.config.serve import MAX_PICTURES, MAX_PREVIEWS
from pipelines.serving.problem import BAD, Problem

LARGEST_SIDE = 65_536
OURS = {"num_inference_steps": "steps", "guidance_scale": "guidance"}  # fields by the names of the library's


def _whole(text: str) -> str:
    """Refuse half a character (a lone surrogate), which no file in UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("wanted whole characters of Unicode, no lone surrogates") from error
    return text


Text = Annotated[str, AfterValidator(_whole)]


class DrawBody(BaseModel):
    """What both ways of asking have."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    prompt: Text = Field(description="What to draw.")
    model: Text | None = Field(None, description="One of `GET /v1/models`; the first of them if it is left out.")
    seed: int | None = Field(
        None, ge=0, lt=2**32, description="The same seed draws the same picture; drawn at random if it is left out."
    )
    steps: int | None = Field(None, ge=1, description="Sampling steps.")
    guidance: float | None = Field(None, ge=0, description="How strongly the prompt is followed; 1 is half the work.")
    guidance_rescale: float | None = Field(None, ge=0, le=1, description="arXiv 2305.08891, section 3.4.")
    negative_prompt: Text | None = Field(None, description="What guidance leads away from.")
    scheduler: Text | None = Field(None, description="Sampling method.")
    panorama: bool | None = Field(None, description="The left and right edges are neighbours.")
    exact: bool | None = Field(
        None, description="The same bytes whoever else is served; false draws a lone request sooner."
    )


class RgbdBody(DrawBody):
    """A picture with depth."""

    width: int | None = Field(None, ge=1, le=LARGEST_SIDE, description="Pixels; the model's own if it is left out.")
    height: int | None = Field(None, ge=1, le=LARGEST_SIDE, description="Pixels; the model's own if it is left out.")
    previews: int | None = Field(None, ge=0, le=MAX_PREVIEWS, description="Previews at most, in a stream of events.")


class ImagesBody(DrawBody):
    """A request of the OpenAI Images API, with more fields, which its clients send as `extra_body`."""

    n: int | None = Field(None, ge=1, le=MAX_PICTURES, description="Pictures, of this seed and the following ones.")
    size: Text | None = Field(None, max_length=16, description="WIDTHxHEIGHT in pixels, or auto.")
    response_format: Literal["b64_json"] | None = None
    output_format: Literal["png"] | None = None
    background: Literal["auto", "opaque"] | None = None
    moderation: Literal["auto", "low"] | None = Field(None, description="There is none.")
    quality: Literal["auto"] | None = Field(None, description="`steps` decides it.")
    stream: bool | None = Field(None, description="Events while it is drawn; of one picture.")
    partial_images: int | None = Field(None, ge=0, le=3, description="Previews at most, in a stream of events.")
    user: Text | None = Field(None, max_length=512, description="Not used.")
    depth: Literal["png16", "none"] | None = Field(None, description="Whether each picture has its depth.")


def refusal(message: str) -> Problem:
    """Return a refusal of the library in the names of the fields here."""
    name, _, rest = message.partition(" ")
    field = OURS.get(name, name)
    return Problem(BAD, f"{field} {rest}", "invalid_value", field if field in RgbdBody.model_fields else None)


def plain(errors: Any) -> tuple[str, str | None, str]:
    """Say what is wrong with a body in a sentence.

    Args:
        errors: of pydantic.

    Returns:
        The sentence, the field at fault, and a word for programs.
    """
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "path")]
    name = ".".join(place)[:64] or None
    match first["type"]:
        case "json_invalid":
            return 'the body is not JSON: send an object such as {"prompt": "a lemon"}', None, "invalid_json"
        case "extra_forbidden":
            return f"there is no field {name!r}: GET /openapi.json lists those there are", name, "unknown_field"
        case "missing" if name is None:
            return 'there is no body: send JSON such as {"prompt": "a lemon"}', None, "missing"
        case "missing":
            return f"{name} is missing: it is needed", name, "missing"
        case "value_error":
            return f"{name}: {first['msg'].removeprefix('Value error, ')}", name, "invalid_value"
        case "model_attributes_type" | "dict_type" | "model_type":
            return "the body is not an object: send JSON, with Content-Type: application/json", None, "invalid_json"
    got = ascii(first.get("input"))
    wanted = first["msg"].removeprefix("Input should be ").rstrip(".")
    return f"{name} is {got if len(got) <= 64 else got[:61] + '...'}, wanted {wanted}", name, "invalid_value"
