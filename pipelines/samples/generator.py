"""A model that draws, by what is known of it."""

from dataclasses import dataclass
from typing import Any, Self

from ldm3d.sampling.pipeline import RgbdPipeline
from pipelines.storage.models import open_model, training_step_of


@dataclass(frozen=True)
class Generator:
    """
    name: among those of a grid; "" of one by itself.
    model, revision: where it is, see `ldm3d.config.GeneratorConfig`.
    fingerprint: hex, of all that decides what it draws.
    channels: of its pictures: 6 or 4 with depth, 3 without.
    training_step: of its training, where that is known.
    """

    name: str
    model: str
    revision: str | None
    fingerprint: str
    channels: int
    training_step: int | None

    @classmethod
    def of(cls, name: str, model: str, revision: str | None, opened: RgbdPipeline) -> Self:
        """
        Args:
            opened: what is there.

        Raises:
            ValueError: what says its training step cannot be read.
        """
        channels = opened.vae.config["out_channels"]
        return cls(name, model, revision, opened.fingerprint(), channels, training_step_of(model))

    def about(self) -> dict[str, Any]:
        """What those who read the samples have to know of it."""
        names = ("model", "revision", "fingerprint", "channels")
        return {name: getattr(self, name) for name in names}

    def open(self) -> RgbdPipeline:
        """The model itself, on the CPU.

        Raises:
            ValueError: it is gone, or another one by now.
        """
        opened = open_model(self.model, self.revision)
        if opened.fingerprint() != self.fingerprint:
            raise ValueError(f"model.model {self.model!r} changed while it was read: start again when it is written")
        return opened
