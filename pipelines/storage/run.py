"""A run and its output: whether the output is ours to write, what it was begun with, and whether it is whole."""

import hashlib
import logging
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ldm3d
from pipelines.storage.changes import changes, shortened
from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.shards import RUN, Shard, check_owner, claim, finished

logger = logging.getLogger(__name__)

CONFIG = "config.json"
SUCCESS = "_SUCCESS.json"
TRAINING_STEP = "training.json"  # in an exported model: its step, and the stage and preset that it is of
PROBE = "_state/probe"
ROOT = Path(__file__).parents[2]  # of this code: where pipelines and jobs are


def check_folders(given: str, made: str, stage: str) -> None:
    """Check input and output as far as it takes no time: call it before models are opened or data is read.

    Args:
        given, made: the URLs of input and output, as in `Folder.url`.
        stage: what is about to write the output.

    Raises:
        ValueError: they overlap, or the output cannot be read or written, or holds something else.
    """
    check_apart(given, made)
    _begun_with(Folder(made), stage)


def check_output(output: Folder, identity: dict[str, Any]) -> bool:
    """Check that an output is ours to write. Returns whether an earlier run began it; otherwise it is empty.

    Args:
        identity: all that decides what comes out. An output begun with another identity is refused.

    Raises:
        ValueError: it cannot be read or written, holds something else, or was begun with other settings.
    """
    before = _begun_with(output, identity.get("stage"))
    if before is None:
        return False
    if changed := changes(before, identity):
        resumable = "Give the same settings as then to resume it, or another --output."
        remedy = "It is finished: give another --output." if output.exists(SUCCESS) else resumable
        raise ValueError(
            f"--output {output.url!r} was begun with other settings: {shortened(changed, f'{output.url}/{CONFIG}')}. "
            f"{remedy}"
        )
    return True


def _begun_with(output: Folder, stage: str | None) -> dict[str, Any] | None:
    """Return the identity that an earlier run of a stage began an output with; None for an empty output.

    Raises:
        ValueError: it cannot be read or written, or holds something else.
    """
    try:
        names = set(output.sizes()) - set(output.drafts())
        if SUCCESS not in names:  # a finished output may be read-only
            output.try_writing(PROBE)
    except OSError as error:
        raise ValueError(f"--output {output.url!r} cannot be written ({error}): give a folder that can") from error
    if names <= {RUN, PROBE}:  # left by a run that was killed before it began
        return None
    if CONFIG not in names:
        raise ValueError(
            f"--output {output.url!r} holds other files ({len(names)}, {min(names)} first); give an empty folder"
        )
    try:
        before: dict[str, Any] | None = output.read_json(CONFIG).get("identity")
    except DamagedError as error:
        raise ValueError(f"--output: {error}: restore the file, or give another output") from error
    if before is None:
        raise ValueError(f"--output {output.url!r} holds a {CONFIG} of another program; give an empty folder")
    if (made_by := before.get("stage")) and made_by != stage:
        raise ValueError(f"--output {output.url!r} was made by {made_by}; give another output")
    return before


def check_apart(given: str, made: str) -> None:
    """Check that input and output do not overlap.

    Args:
        given, made: the URLs of input and output, as in `Folder.url`.

    Raises:
        ValueError: one is inside the other.
    """
    if "://" not in given and "://" not in made:  # a symbolic link may lead from one into the other
        given, made = str(Path(given).resolve()), str(Path(made).resolve())
    if f"{given}/".startswith(f"{made}/") or f"{made}/".startswith(f"{given}/"):
        raise ValueError(f"--output {made!r} and --input {given!r} overlap; give separate folders")


def begin(
    output: Folder, identity: dict[str, Any], config: dict[str, Any], about: dict[str, Any] | None = None
) -> str:
    """Make a new run the owner of an output that `check_output` has let pass.

    The success marker is deleted, also when a finished output is only repaired: until the output is whole again,
    nobody may take it for finished.

    Args:
        about: what else to keep in `config.json`, beside identity and configuration.

    Returns:
        The run's name, as `check_owner` takes it.

    Raises:
        ValueError: meanwhile another run has begun here, with other settings.
        TakenOverError: the output already belongs to another run.
    """
    owner = uuid.uuid4().hex
    claim(output, owner, {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "host": socket.gethostname()})
    check_output(output, identity)
    check_owner(output, owner)
    output.delete(SUCCESS)
    save_config(output, identity, config, about)
    return owner


def own_marker(output: Folder) -> dict[str, Any] | None:
    """Read the success marker of an output of ours. None where it is absent or damaged: the run then writes it."""
    try:
        return output.read_json(SUCCESS)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        logger.warning("%s: the output is checked and completed again", error)
        return None


def whole_summary(
    output: Folder, shards: list[Shard], folders: tuple[str, str], shown: Callable[[dict[str, Any]], Iterable[str]]
) -> dict[str, Any] | None:
    """Read the success marker of an output that is whole. None where work is left.

    Args:
        folders: those of kept and of rejected rows.
        shown: the marker's content -> the files for people that must be there.
    """
    summary = own_marker(output)
    if summary is None or len(finished(output, shards, folders)) < len(shards):
        return None
    return summary if all(output.exists(name) for name in shown(summary)) else None


def save_config(
    output: Folder, identity: dict[str, Any], config: dict[str, Any], about: dict[str, Any] | None = None
) -> None:
    """Write what an output is made with into its `config.json`."""
    content = {"identity": identity, "config": config, "labels": {}, "code": code_version()}
    output.write_json(CONFIG, content | (about or {}))


def code_version() -> str:
    """Return the git revision of this code; without git, as in a submitted job, a hash of its sources."""
    try:
        if not (ROOT / ".git").exists():  # git would find the repository around it, of whoever has copied this code
            raise FileNotFoundError
        return subprocess.check_output(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        digest = hashlib.sha256()
        beside = ROOT / "ldm3d"  # but not where a wheel is installed
        library = beside if beside.is_dir() else Path(ldm3d.__file__).parent
        for room in (ROOT / "jobs", library, ROOT / "pipelines"):
            for file in sorted(room.rglob("*.py")):
                digest.update(file.read_bytes())
        return f"sources:{digest.hexdigest()[:16]}"
