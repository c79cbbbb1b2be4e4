"""Where weights come from: a folder in diffusers layout, or a hub id."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ldm3d.models.hub import require_hub
from ldm3d.models.quiet import quiet
from ldm3d.models.unreadable import named, why_unreadable

WANTED = "give a folder in diffusers layout with safetensors, or a hub id that every node can reach or has cached"
HALF = "fp16"  # as diffusers and transformers call this variant in names of files


@dataclass(frozen=True)
class Source:
    """A model of several parts, each in its own subfolder."""

    setting: str
    """The flag that names the model, for messages."""
    model: str
    """Path or hub id."""
    revision: str | None = None
    """Commit on the hub; None is its main branch."""

    @property
    def name(self) -> str:
        """The flag and its value, to begin messages with."""
        return f"{self.setting} {self.model!r}"

    @contextmanager
    def explained(self, part: str) -> Iterator[None]:
        """Turn the errors of libraries that cannot read `part` into one that names the flag.

        Raises:
            ValueError: the part did not load.
        """
        try:
            with quiet(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*local_dir_use_symlinks", UserWarning)  # diffusers still passes it
                require_hub(self.model, self.revision)
                yield
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            why = why_unreadable(self.model, self.revision, error, WANTED)
            raise ValueError(
                f"{named(self.setting, self.model, self.revision)}: its {part} did not load {why}"
            ) from error

    def load(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        """Load a part with `kind.from_pretrained`, and check what it found.

        Libraries only log that weights are missing, and leave them on the meta device or uninitialised. Weights of the
        variant fp16, `*.fp16.safetensors`, are read where there are no others.

        Raises:
            ValueError: weights are missing, or not stored as safetensors.
        """
        with self.explained(part):
            network, found = self._read(kind, part, dtype)
        if missing := sorted(found["missing_keys"]):
            raise ValueError(
                f"{self.name}: its {part} lacks weights ({len(missing)}, {missing[0]} first): "
                "the file is cut short or of another model; fetch it again"
            )
        return network.eval()

    def _read(self, kind: Any, part: str, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
        """Return the network, and what was found of its weights."""
        read: Callable[..., tuple[Any, dict[str, Any]]] = partial(
            kind.from_pretrained,
            self.model,
            subfolder=part,
            revision=self.revision,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
        )
        names = [file.name for file in Path(self.model, part).glob("*.safetensors")]
        if names:
            return read(variant=HALF if all(f".{HALF}" in name for name in names) else None)
        try:
            return read()
        except OSError as error:  # of an id on the hub, this is how the files that it has are known
            if "have a file named" not in str(error):
                raise
            with suppress(OSError):
                return read(variant=HALF)
            raise
