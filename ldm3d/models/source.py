"""Where weights come from: a folder in diffusers layout, or a hub id."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError


@dataclass(frozen=True)
class Source:
    """A model of several parts, each in a folder of its own.

    setting: what the flag is called that names it, for messages. model: path or hub id. revision: of a hub's; None is
    its main branch.
    """

    setting: str
    model: str
    revision: str | None = None

    @property
    def name(self) -> str:
        """How messages begin."""
        return f"{self.setting} {self.model!r}"

    @contextmanager
    def explained(self, part: str) -> Iterator[None]:
        """
        Raises:
            ValueError: in place of whatever a library says when it cannot read a part.
        """
        try:
            yield
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ValueError(
                f"{self.name} (revision {self.revision!r}): its {part} did not load: {error}. "
                "Give a folder in diffusers layout with safetensors, or a hub id that every node can reach or has "
                "cached."
            ) from error

    def load(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        """`kind.from_pretrained`, which by itself draws the weights that a file lacks at random, with a mere warning.

        Raises:
            ValueError: weights are missing, or not stored as safetensors.
        """
        with self.explained(part):
            network, found = kind.from_pretrained(
                self.model,
                subfolder=part,
                revision=self.revision,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
            )
        if missing := sorted(found["missing_keys"]):
            raise ValueError(
                f"{self.name}: its {part} lacks {len(missing)} weights, {missing[0]} first: "
                "the file is cut short or of another model; fetch it again"
            )
        return network.eval()
