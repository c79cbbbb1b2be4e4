"""Settings of the service that draws pictures with depth over HTTP."""

from dataclasses import dataclass, field
from typing import Any

from ldm3d.config.checks import require, require_finite, require_least, require_positive, to_json
from ldm3d.config.drawing import Drawing
from ldm3d.config.engine import EngineConfig
from ldm3d.config.generate import GeneratorConfig, SamplingConfig, Scheduler

MAX_PREVIEWS = 8
MAX_PICTURES = 10  # of one request of the OpenAI Images API, as there


@dataclass(frozen=True, kw_only=True)
class DefaultsConfig:
    """How pictures are drawn where a request does not say it."""

    scheduler: Scheduler = SamplingConfig.scheduler
    """Sampling method: one of those of `generate`."""
    steps: int = Drawing.num_inference_steps
    """Number of sampling steps."""
    guidance: float = Drawing.guidance_scale
    """How strongly predictions are pushed away from those without a caption; 1 is no guidance and half the work."""
    exact: bool = True
    """Whether a picture has the same bytes whoever shares its calls of the U-Net, which costs time where few do."""

    def __post_init__(self) -> None:
        SamplingConfig(num_inference_steps=(self.steps,), guidance_scale=(self.guidance,))


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """What one request, and one client, may ask for. More is refused, with what to change."""

    prompt: int = 2_000
    """Characters of a prompt, or a negative one; models read the first 77 tokens."""
    steps: int = 150
    """Sampling steps."""
    pixels: int = 1_024 * 1_024
    """Width times height."""
    guidance: float = 50.0
    """Guidance scale; far larger ones overflow."""
    body_bytes: int = 64 * 2**10
    """Size of a request's body, refused by its header before it is read."""
    client_requests: int = 32
    """Requests of one client, by its address, that are drawn or wait at once."""
    result_bytes: int = 512 * 2**20
    """Results that are kept in all, the newest ones."""
    result_s: float = 3_600.0
    """Seconds that a result is kept."""

    def __post_init__(self) -> None:
        require_least(self, "limits", 1, "prompt", "steps", "pixels", "body_bytes", "client_requests")
        require_positive(self, "limits", "guidance", "result_bytes", "result_s")


@dataclass(frozen=True, kw_only=True)
class ReplicasConfig:
    """Copies of the models on the cluster."""

    address: str | None = None
    """Ray cluster to connect to; None uses the one this job was submitted to, or starts one on this machine."""
    replicas: int = 1
    """Copies of each model."""
    gpus: float = 1.0
    """Number of GPUs per copy; treated as 0 on a cluster without GPUs."""
    cpus: float = 1.0
    """Number of CPUs per copy, and its torch threads, when it runs without a GPU."""
    doors: int = 1
    """Processes that take requests and answer them."""

    def __post_init__(self) -> None:
        require_least(self, "cluster", 1, "replicas", "doors")
        require_least(self, "cluster", 0, "gpus")
        require_positive(self, "cluster", "cpus")


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Draw pictures with depth over HTTP, on Ray Serve."""

    host: str = "127.0.0.1"
    """Address that is listened at. Others than this machine can reach only another one, which needs a --token."""
    port: int = 8_000
    """Port that is listened at; 0 takes a free one."""
    token: str | None = field(default=None, repr=False)
    """Secret that clients send as `Authorization: Bearer ...`; None takes the environment's LDM3D_TOKEN, where that is
    set, and else lets everybody in. A flag is seen by others on this machine: prefer the environment."""
    provenance: bool = True
    """Whether pictures say inside that a model drew them, which, and from which seed."""
    drain_s: float = 60.0
    """Seconds that requests may take to end when the service stops."""
    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    defaults: DefaultsConfig = field(default_factory=DefaultsConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    cluster: ReplicasConfig = field(default_factory=ReplicasConfig)
    preset: str | None = None
    """Name of the preset that these settings began with. It decides nothing here."""

    def __post_init__(self) -> None:
        require_finite(self)
        require(bool(self.host), "host", self.host, "an address, such as 127.0.0.1")
        require(0 <= self.port < 2**16, "port", self.port, "0 to 65,535")
        # not shown: it is a secret
        fine = self.token is None or (len(self.token) >= 8 and self.token.isascii() and self.token.isprintable())
        require(fine, "token", "***", "8 or more printable ASCII characters")
        require(self.drain_s >= 0, "drain_s", self.drain_s, "0 or more")
        limits, steps, guidance = self.limits, self.defaults.steps, self.defaults.guidance
        require(steps <= limits.steps, "defaults.steps", steps, f"at most --limits.steps, {limits.steps}")
        require(
            guidance <= limits.guidance, "defaults.guidance", guidance, f"at most --limits.guidance, {limits.guidance}"
        )

    def shown(self) -> dict[str, Any]:
        """Return all settings as JSON, without the secret."""
        return to_json(self) | {"token": None if self.token is None else "***"}
