"""What one run of an evaluation found."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """See `ldm3d.schema.METRICS` for its fields."""

    run: str
    started: str
    pictures: str
    checkpoint: str | None = None
    training_step: int | None = None
    scheduler: str | None = None
    guidance_scale: float | None = None
    num_inference_steps: int | None = None
    metric: str
    value: float
    stderr: float | None = None
    std: float | None = None
    num_samples: int
    excluded: int = 0
    protocol: str
    config: str


@dataclass(frozen=True)
class Evaluation:
    """One run, and what it is seen beside.

    title: of the page. run: its name, hex. started: ISO 8601 with time zone.
    results: of this run. history: of earlier runs, of any protocol.
    left_out: sentences: what was not computed, and why.
    about: by name of a set of pictures, what is known of it: where it is, how many, which model drew it.
    images: PNGs: `samples` (as figure 3 of the paper) and `depth` (as figure 8); any may be absent.
    surrogate: names of metrics whose network stands in for the published one: marked wherever they appear, and never
        put beside the paper's numbers.
    """

    title: str
    run: str
    started: str
    results: list[Result]
    history: list[Result] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    surrogate: list[str] = field(default_factory=list)
