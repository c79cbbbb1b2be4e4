"""Training checkpoints: whole or absent, checked when they are read, the last good one never touched by a new one.

    000012000/model.safetensors, optimiser.safetensors, ...   tensors by name
    000012000/state.json                                      everything else, and each file's SHA-256; written last

Ray Train has checkpoints of its own. These do without its snapshot file, which another Ray version may refuse, and add
what it leaves out: hashes, a way back to the checkpoint before, and tensors that are never pickled.
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
from typing import TYPE_CHECKING, Any

from pipelines.storage.folder import Folder

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, Mapping[str, "Tensor"]]

logger = logging.getLogger(__name__)

STATE = "state.json"
MOST_FAILURES = 3


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint that was read and found whole.

    tensors: by file name without its ending, then by tensor name; on the CPU.
    state: plain JSON values, as they were given to `save`.
    """

    step: int
    tensors: dict[str, dict[str, "Tensor"]]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, in one folder; one process writes.

    Args:
        folder: local or on an object store.
        keep: how many of the newest stay, beside the one of the lowest score.
    """

    def __init__(self, folder: Folder, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._failures = 0

    def save(self, step: int, tensors: Tensors, state: dict[str, Any], score: float | None = None) -> None:
        """Write a checkpoint while the caller goes on; the one before it is waited for.

        Args:
            tensors: by file name, then by tensor name. They are read while the caller goes on: give copies.
            state: plain JSON values.
            score: lower is better; the best is kept beside the newest.

        Raises:
            OSError: three in a row could not be written. A single failure is logged, and training goes on: the
                checkpoint before it is still there.
        """
        self.wait()
        self._writing = self._writer.submit(self._save, step, tensors, state, score)

    def wait(self, *, is_last: bool = False) -> None:
        """Until nothing is being written. Raises OSError as `save` does; for the last one, which nothing will make up
        for, at once."""
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
        """Finish what is being written, then end the thread."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; damaged ones are logged and passed over. None where there is none."""
        for step in reversed(self.steps()):
            try:
                return self.load(step)
            except (ValueError, KeyError, FileNotFoundError) as error:
                logger.warning("the checkpoint of step %d is damaged, and the one before it is taken: %s", step, error)
        return None

    def load(self, step: int) -> Checkpoint:
        """One checkpoint, its hashes checked.

        Raises:
            FileNotFoundError: it is not there, or a file of it is missing.
            ValueError: a file is not what was written.
        """
        from safetensors.torch import load

        about = json.loads(self.folder.read(f"{_name(step)}/{STATE}"))
        tensors = {}
        for name, digest in about["files"].items():
            content = self.folder.read(f"{_name(step)}/{name}.safetensors")
            if (got := hashlib.sha256(content).hexdigest()) != digest:
                raise ValueError(f"{name}.safetensors has SHA-256 {got[:16]}..., written was {digest[:16]}...")
            tensors[name] = load(content)
        return Checkpoint(step, tensors, about["state"])

    def steps(self) -> list[int]:
        """The steps of all checkpoints that were written to their end, rising."""
        found = (re.fullmatch(rf"(\d{{9}})/{STATE}", name) for name in self.folder.sizes("", f"/{STATE}"))
        return sorted(int(match[1]) for match in found if match)  # others are copies that somebody made

    def _save(self, step: int, tensors: Tensors, state: dict[str, Any], score: float | None) -> None:
        name, files = _name(step), {}
        self.folder.delete(f"{name}/{STATE}")  # of a run that was here before: its files are about to change
        for file, values in tensors.items():
            with self.folder.place(f"{name}/{file}.safetensors") as path:
                files[file] = _write(path, values)
        about = {"step": step, "score": score, "files": files, "state": state}
        self.folder.write(f"{name}/{STATE}", json.dumps(about).encode())
        self._prune()

    def _prune(self) -> None:
        """Remove what is neither among the newest nor the best. A state goes before its files."""
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
    """Make a file of tensors. Returns its SHA-256, hex."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file  # `save` would hold the interpreter, and so the training

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:  # which is no OSError, whatever the disk said
        raise OSError(str(error)) from error
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def _name(step: int) -> str:
    return f"{step:09d}"
