"""What the parts of the service tell one another about a request: an order, steps, and one ending."""

from dataclasses import dataclass, field
from typing import Any

from ldm3d.serving.request import DrawRequest
from pipelines.serving.problem import Problem


@dataclass(frozen=True)
class About:
    """What is known of a model."""

    width: int
    """Of its own pictures, in pixels."""
    height: int
    has_depth: bool
    fingerprint: str
    created: int
    """When it was loaded, in seconds since 1970."""


@dataclass(frozen=True)
class Order:
    """A request, as the door hands it to the desk."""

    identity: str
    model: str
    """One of the models of the service."""
    request: DrawRequest
    client: str = ""
    """Who asks: an address."""
    watched: bool = False
    """Whether somebody wants to be told of steps."""


@dataclass(frozen=True)
class Begun:
    """A model has taken the request."""

    seed: int


@dataclass(frozen=True)
class Stepped:
    """A step was taken."""

    step: int
    """From 1 to `steps`."""
    steps: int
    image: bytes | None = None
    """PNG of the preview."""
    depth: bytes | None = None
    """PNG of its depth, 8-bit grey."""


@dataclass(frozen=True)
class Result:
    """A picture that was drawn."""

    identity: str
    model: str
    prompt: str
    panorama: bool
    width: int
    height: int
    image: bytes = field(repr=False)
    """PNG."""
    depth: bytes | None = field(repr=False)
    """PNG of 16 bits, relative inverse depth, larger = nearer; None if the model draws none."""
    facts: dict[str, Any]
    """Of `ldm3d.serving.events.Done`."""


@dataclass(frozen=True)
class Finished:
    """The picture is drawn."""

    result: Result


@dataclass(frozen=True)
class Stopped:
    """There is no picture."""

    problem: Problem


Message = Begun | Stepped | Finished | Stopped
"""One of `Finished` and `Stopped` is the last of a request; a refused request has nothing else."""
