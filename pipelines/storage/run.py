"""What can be known before work starts: is the output ours to write, does the depth model load where it will run."""

import hashlib
import json
import logging
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.shards import RUN, Shard, check_owner, claim, finished

logger = logging.getLogger(__name__)

CONFIG = "config.json"
SUCCESS = "_SUCCESS.json"
PROBE = "_state/probe"


def check_output(output: Folder, identity: dict[str, Any]) -> bool:
    """Whether an output was begun with this very configuration and input (True), or is empty (False).

    Raises:
        ValueError: it cannot be read or written, holds something else, or was begun with another configuration.
    """
    try:
        names = set(output.sizes()) - set(output.drafts())
        if SUCCESS not in names:  # a finished corpus may be read-only
            output.try_writing(PROBE)
    except OSError as error:
        raise ValueError(f"--output {output.url!r} cannot be written: {error}") from error
    if names <= {RUN, PROBE}:  # what a run that was killed before it began leaves
        return False
    if CONFIG not in names:
        raise ValueError(
            f"--output {output.url!r} holds {len(names)} files but no run of this stage; give an empty folder"
        )
    try:
        before = output.read_json(CONFIG).get("identity")
    except DamagedError as error:
        raise ValueError(f"--output: {error}: put it back as it was, or give another output") from error
    if before is None:
        raise ValueError(f"--output {output.url!r} holds a {CONFIG} that is not of this project; give an empty folder")
    if (made_by := before.get("stage")) and made_by != identity.get("stage"):
        raise ValueError(f"--output {output.url!r} was made by {made_by}; give another output")
    if changed := list(changes(before, identity)):
        raise ValueError(
            f"--output {output.url!r} was begun with another configuration: {'; '.join(changed)}. "
            "Run with the old one to finish it, or give another output."
        )
    return True


def check_apart(given: str, made: str) -> None:
    """
    Args:
        given, made: input and output, as `Folder.url` has them.

    Raises:
        ValueError: one of them is in the other.
    """
    if "://" not in given and "://" not in made:  # a link may lead from one into the other
        given, made = str(Path(given).resolve()), str(Path(made).resolve())
    if f"{given}/".startswith(f"{made}/") or f"{made}/".startswith(f"{given}/"):
        raise ValueError(f"--output {made!r} and --input {given!r} overlap; give separate folders")


def begin(output: Folder, identity: dict[str, Any], config: dict[str, Any], labels: dict[str, Any]) -> str:
    """Make a new run the owner of an output that `check_output` has let pass. Returns its name.

    The success marker goes, of what is mended too: until it is whole, nobody is to take it for finished.

    Raises:
        ValueError: another run has begun here meanwhile, with another configuration.
        TakenOverError: the output belongs to another run by now.
    """
    run = uuid.uuid4().hex
    claim(output, run, {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "host": socket.gethostname()})
    check_output(output, identity)
    check_owner(output, run)
    output.delete(SUCCESS)
    save_config(output, identity, config, labels, code_version())
    return run


def read_marker(output: Folder) -> dict[str, Any] | None:
    """What the success marker says; None where there is none, or a damaged one, which is then written again."""
    try:
        return output.read_json(SUCCESS)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        logger.warning("%s: what is left is done again", error)
        return None


def finished_summary(
    output: Folder, shards: list[Shard], contracts: tuple[str, str], shown: Callable[[dict[str, Any]], Iterable[str]]
) -> dict[str, Any] | None:
    """What the success marker says; None where there is something left to do.

    Args:
        contracts: folders of the rows that are kept, and of the others.
        shown: what the marker says -> the files for people that have to be there.
    """
    summary = read_marker(output)
    if summary is None or len(finished(output, shards, contracts)) < len(shards):
        return None
    return summary if all(output.exists(name) for name in shown(summary)) else None


def save_config(
    output: Folder, identity: dict[str, Any], config: dict[str, Any], labels: dict[str, Any], code: str
) -> None:
    """What an output is made with, beside it."""
    content = {"identity": identity, "config": config, "labels": labels, "code": code}
    output.write(CONFIG, json.dumps(content, indent=2).encode())


def code_version() -> str:
    """The git revision this code runs from; a hash of the sources where there is none, as in a submitted job."""
    root = Path(__file__).parent.parent
    try:
        if not (root / ".git").exists():  # git would find the repository of whoever has copied this into theirs
            raise FileNotFoundError
        return subprocess.check_output(
            ["git", "describe", "--always", "--dirty"], cwd=root, text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        digest = hashlib.sha256()
        for file in sorted(file for room in ("ldm3d", "pipelines", "jobs") for file in (root / room).rglob("*.py")):
            digest.update(file.read_bytes())
        return f"sources:{digest.hexdigest()[:16]}"


def changes(before: Any, now: Any, name: str = "") -> list[str]:
    """What differs between two JSON values, a line each."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted(before.keys() | now.keys())
            for line in changes(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
        ]
    return [] if before == now else [f"{name} was {_short(before)}, is {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
