"""What a stage whose rows pass a network once asks of Ray."""

from dataclasses import dataclass

from ldm3d.config.checks import require


@dataclass(frozen=True, kw_only=True)
class ActorsConfig:
    """Actors with the network loaded. Changes how fast rows come, never which."""

    address: str | None = None
    """Ray cluster to connect to; None uses the one this job was submitted to, or starts one on this machine."""
    actors: int | None = None
    """How many; None takes one per GPU, or one where there is none."""
    gpus: float = 1.0
    """GPUs per actor; taken as 0 on a cluster without GPUs."""
    cpus: float = 1.0
    """CPUs per actor, and its torch threads, where it runs without a GPU."""
    no_progress_timeout_s: float = 900.0
    """Seconds in which no shard is finished before the run fails. A large model on CPUs may need more."""

    def __post_init__(self) -> None:
        require(self.actors is None or self.actors >= 1, "cluster.actors", self.actors, "1 or more, or None")
        require(self.gpus >= 0, "cluster.gpus", self.gpus, "0 or more")
        for name in ("cpus", "no_progress_timeout_s"):
            require(getattr(self, name) > 0, f"cluster.{name}", getattr(self, name), "more than 0")
