"""One number of an evaluation: a row of `metrics/v1`."""

from dataclasses import dataclass


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
