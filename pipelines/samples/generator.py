"""What is known of a model that draws."""

from dataclasses import dataclass
from typing import Any, Self

from ldm3d.sampling.pipeline import RgbdPipeline
from pipelines.storage.models import open_model, training_step_of


@dataclass(frozen=True)
class Generator:
    """A model, known by its content. Where it is: see `ldm3d.config.GeneratorConfig`."""

    name: str
    """Its name among several models; "" for a single one."""
    model: str
    revision: str | None
    fingerprint: str
    """Hex digits that change with anything that decides what the model draws."""
    channels: int
    """Channels of its pictures: 6 or 4 with depth, 3 without."""
    training_step: int | None
    """The step of its training that it comes from; None if unknown."""

    @classmethod
    def of(cls, name: str, model: str, revision: str | None, opened: RgbdPipeline) -> Self:
        """Describe a model that has been opened.

        Raises:
            ValueError: the file that holds its training step cannot be read.
        """
        channels = opened.vae.config["out_channels"]
        return cls(name, model, revision, opened.fingerprint(), channels, training_step_of(model))

    def about(self) -> dict[str, Any]:
        """Return what the success marker and the samples say about it."""
        names = ("model", "revision", "fingerprint", "channels")
        return {name: getattr(self, name) for name in names}

    def open(self) -> RgbdPipeline:
        """Load the model, on the CPU.

        Raises:
            ValueError: it is gone, or has changed since.
        """
        opened = open_model(self.model, self.revision)
        if opened.fingerprint() != self.fingerprint:
            raise ValueError(
                f"--model.model {self.model!r} changed while it was read: run the same command again when it is "
                "complete"
            )
        return opened
