"""How a model draws many requests at once, a step at a time."""

from dataclasses import dataclass

from ldm3d.config.checks import require_least, require_positive


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Batching at the level of the denoising step: `ldm3d.serving.engine`."""

    rows: int = 8
    """Rows of every call of the U-Net: two a request, or one without guidance. Calls are filled up to it, so that a
    request has the same bytes whoever shares its calls. More rows draw more requests in less time where the device is
    not busy with few; a lone request waits for all of them."""
    max_requests: int = 64
    """Requests that are drawn or wait at once; further ones are refused at once."""
    max_wait_s: float = 120.0
    """Seconds of work that may be ahead of a new request, by the speed that was measured; beyond it, it is refused."""

    def __post_init__(self) -> None:
        require_least(self, "engine", 2, "rows")
        require_least(self, "engine", 1, "max_requests")
        require_positive(self, "engine", "max_wait_s")
