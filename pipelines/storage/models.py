"""A model on an object store as a local folder, for as long as it takes to load it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.storage.folder import Folder

READ = (".json", ".safetensors", ".txt")  # configuration, weights, and the tokenizer's merges


@contextmanager
def model_copy(url: str, parts: tuple[str, ...], setting: str) -> Iterator[str]:
    """A local folder with some parts of a model.

    Args:
        parts: folders in the model that have to be there; "" is what lies beside them.
        setting: what names the model, for messages.

    Raises:
        ValueError: it cannot be read, or lacks a part.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for part in parts:
                _copy(Folder(url), part, Path(scratch))
        except OSError as error:
            raise ValueError(f"{setting} {url!r} cannot be read: {error}") from error
        yield scratch


def _copy(model: Folder, part: str, target: Path) -> None:
    """What is read of one part."""
    names = [name for name in model.sizes(part) if name.endswith(READ) and name.rpartition("/")[0] == part]
    if not names:
        lacking = f"{part}/" if part else "model_index.json"
        raise FileNotFoundError(f"there is no {lacking} in {model.url}: finish the training that writes it")
    (target / part).mkdir(exist_ok=True)
    for name in names:
        (target / name).write_bytes(model.read(name))
