"""Training checkpoints: whole or absent, verified when they are read; writing one never touches the last good one.

    000012000/model.safetensors, optimiser.safetensors, ...   tensors by name
    000012000/state.json                                      everything else, and each file's SHA-256; written last

Ray Train has checkpoints of its own. These do without its snapshot file, which another Ray version may refuse, and add
hashes, a fallback to the checkpoint before, and tensors that are never pickled.
"""

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipelines.storage.folder import Folder

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, Mapping[str, "Tensor"]]

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"  # in the output of a training
STATE = "state.json"
MOST_FAILURES = 3


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint that was read."""

    step: int
    tensors: dict[str, dict[str, "Tensor"]]
    """By file name without its ending, then by tensor name; on the CPU."""
    state: dict[str, Any]
    """JSON values, as they were given to `save`."""


class Checkpoints:
    """The checkpoints of one run, in one folder; one process writes.

    Args:
        folder: local or on an object store.
        keep: how many of the newest to keep, beside the one with the lowest score.
    """

    def __init__(self, folder: Folder, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._failures = 0

    @classmethod
    def of(cls, output: Folder, keep: int = 2) -> Self:
        """Open the checkpoints in the output of a training."""
        return cls(Folder(f"{output.url}/{CHECKPOINTS}"), keep)

    def save(self, step: int, tensors: Tensors, state: dict[str, Any], score: float | None = None) -> None:
        """Write a checkpoint in the background, after waiting for the one before it.

        Args:
            tensors: by file name, then by tensor name. They are read in the background: give copies.
            state: JSON values.
            score: lower is better; the best is kept beside the newest.

        Raises:
            OSError: three in a row could not be written. A single failure is only logged: the checkpoint before it
                is still there.
        """
        self.wait()
        self._writing = self._writer.submit(self._save, step, tensors, state, score)

    def wait(self, *, is_last: bool = False) -> None:
        """Wait until nothing is being written.

        Args:
            is_last: no later checkpoint can make up for this one.

        Raises:
            OSError: three in a row could not be written, or the last one could not.
        """
        if self._writing is None:
            return
        try:
            self._writing.result()
            self._failures = 0
        except OSError as error:
            self._failures += 1
            logger.warning("a checkpoint could not be written (%d of %d): %s", self._failures, MOST_FAILURES, error)
            if is_last or self._failures >= MOST_FAILURES:
                raise
        finally:
            self._writing = None

    def close(self) -> None:
        """Finish writing, then end the thread."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()

    def newest(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, None if there is none. Damaged ones are logged and skipped."""
        for step in reversed(self.steps()):
            try:
                return self.load(step)
            except (ValueError, KeyError, FileNotFoundError) as error:
                logger.warning(
                    "the checkpoint of step %d is damaged, falling back to the one before it: %s", step, error
                )
        return None

    def load(self, step: int) -> Checkpoint:
        """Read one checkpoint and verify its hashes.

        Raises:
            FileNotFoundError: it does not exist, or lacks a file.
            ValueError: a file is not as it was written.
        """
        from safetensors.torch import load

        about = json.loads(self.folder.read(f"{_name(step)}/{STATE}"))
        tensors = {}
        for name, digest in about["files"].items():
            content = self.folder.read(f"{_name(step)}/{name}.safetensors")
            if (got := hashlib.sha256(content).hexdigest()) != digest:
                raise ValueError(f"{name}.safetensors has SHA-256 {got[:16]}..., it was written with {digest[:16]}...")
            tensors[name] = load(content)
        return Checkpoint(step, tensors, about["state"])

    def steps(self) -> list[int]:
        """Return the steps of all checkpoints that were completely written, ascending."""
        found = (re.fullmatch(rf"(\d{{9}})/{STATE}", name) for name in self.folder.sizes("", f"/{STATE}"))
        return sorted(int(match[1]) for match in found if match)  # other folders are copies that somebody made

    def _save(self, step: int, tensors: Tensors, state: dict[str, Any], score: float | None) -> None:
        name, files = _name(step), {}
        self.folder.delete(f"{name}/{STATE}")  # of an earlier run: the files that it describes are about to change
        for file, values in tensors.items():
            with self.folder.place(f"{name}/{file}.safetensors") as path:
                files[file] = _write(path, values)
        about = {"step": step, "score": score, "files": files, "state": state}
        self.folder.write(f"{name}/{STATE}", json.dumps(about).encode())
        self._prune()

    def _prune(self) -> None:
        """Delete checkpoints that are neither among the newest nor the best, each with its state first."""
        steps = self.steps()
        spare = steps[: -self.keep]
        if not spare:
            return
        contents = self.folder.read_many([f"{_name(step)}/{STATE}" for step in steps])
        scores = {step: json.loads(content)["score"] for step, content in zip(steps, contents, strict=True)}
        judged = [step for step in steps if scores[step] is not None and math.isfinite(scores[step])]
        best = min(judged, key=lambda step: scores[step], default=None)
        for step in spare:
            if step != best:
                self.folder.delete(f"{_name(step)}/{STATE}")
                self.folder.delete(_name(step))


def _write(path: Path, tensors: Mapping[str, "Tensor"]) -> str:
    """Write tensors to a file. Returns its SHA-256, hex."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file  # `save` would hold the GIL, and so training

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:  # not an OSError, even if the disk is full
        raise OSError(str(error)) from error
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def _name(step: int) -> str:
    return f"{step:09d}"
