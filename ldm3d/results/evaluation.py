"""The results of one run of an evaluation."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """One number of a run. `ldm3d.schema.METRICS` describes the fields."""

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
    """One run, with what its report needs."""

    title: str
    run: str
    """Name of the run, hex."""
    started: str
    """ISO 8601 with time zone."""
    results: list[Result]
    history: list[Result] = field(default_factory=list)
    """Results of earlier runs, under any protocol."""
    baseline: str | None = None
    """The earlier run that this one is judged against; None for the latest."""
    left_out: list[str] = field(default_factory=list)
    """What was not computed and why, a sentence each."""
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Facts about each set of pictures, by name: its location and size, and the model that drew it."""
    images: dict[str, bytes] = field(default_factory=dict)
    """PNGs: `samples` (like figure 3 of the paper) and `depth` (like figure 8); either may be absent."""
    surrogate: list[str] = field(default_factory=list)
    """Metrics whose network stands in for the published one. They are marked wherever they appear, and never put
    beside the paper's numbers."""
