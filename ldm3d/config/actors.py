"""Settings for Ray, in the stages that send each row through a network once."""

from dataclasses import dataclass

from ldm3d.config.checks import require_least, require_positive


@dataclass(frozen=True, kw_only=True)
class ActorsConfig:
    """Actors that hold the network. They affect speed only, never which rows come out."""

    address: str | None = None
    """Ray cluster to connect to; None uses the one this job was submitted to, or starts one on this machine."""
    actors: int | None = None
    """Number of actors; None takes one per GPU, or a single one on a cluster without GPUs. Those that hold no network
    are as many as the CPUs allow."""
    gpus: float = 1.0
    """Number of GPUs per actor; treated as 0 on a cluster without GPUs."""
    cpus: float = 1.0
    """Number of CPUs per actor, and its torch threads, when it runs without a GPU."""
    no_progress_timeout_s: float = 900.0
    """Seconds without a finished shard before the run fails. A large model on CPUs may need more."""

    def __post_init__(self) -> None:
        require_least(self, "cluster", 1, "actors", or_none=True)
        require_least(self, "cluster", 0, "gpus")
        require_positive(self, "cluster", "cpus", "no_progress_timeout_s")
