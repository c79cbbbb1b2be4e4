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

import numpy as np

from ldm3d.config import CorpusConfig, LabelConfig
from ldm3d.fingerprint import fingerprint_of_folder
from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.shards import RUN, Shard, check_owner, claim, finished
from pipelines.workers.calls import try_on_worker
from pipelines.workers.resources import Pool, hide_other_gpus

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
    if changed := list(_changes(before, identity)):
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


def check_same_model(output: Folder, labels: dict[str, Any]) -> None:
    """
    Raises:
        ValueError: the depth model is another one than that which the output was begun with.
    """
    before, now = (
        {name: value for name, value in facts.items() if name != "depth_model"}  # a path, which may change
        for facts in (output.read_json(CONFIG)["labels"], labels)
    )
    if changed := _changes(before, now, "labels"):
        raise ValueError(
            f"--output {output.url!r} was begun with another depth model: {'; '.join(changed)}. "
            "Give that one (--label.revision for one of a hub), or another output."
        )


def _changes(before: Any, now: Any, name: str = "") -> list[str]:
    """What differs between two JSON values, a line each."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted(before.keys() | now.keys())
            for line in _changes(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
        ]
    return [] if before == now else [f"{name} was {_short(before)}, is {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def try_model(config: CorpusConfig, pool: Pool) -> dict[str, Any]:
    """Load the depth model on a worker like those that will label, and label one image there.

    Returns:
        What is known of the labels: model, revision, meaning.

    Raises:
        ValueError: the model does not load, does not label, or no worker is free to try.
    """
    patience_s = config.cluster.no_progress_timeout_s
    arguments = config.label, config.download.image_size
    return try_on_worker(_try_model, *arguments, pool=pool, patience_s=patience_s, name="the depth model")


def _try_model(config: LabelConfig, size: int) -> dict[str, Any]:
    import torch

    from ldm3d.depth.relative import DepthEstimator

    hide_other_gpus()
    torch.set_num_threads(1)
    estimator = DepthEstimator.from_pretrained(config)
    estimator(np.zeros((1, size, size, 3), np.uint8))
    found = estimator.model.config
    return {
        "depth_model": config.depth_model,
        "depth_model_type": found.model_type,
        "depth_model_revision": getattr(found, "_commit_hash", None)
        or fingerprint_of_folder(Path(config.depth_model)),
        "depth_meaning": "relative inverse depth, larger = nearer",
        "depth_raw": "depth_min + depth / 65535 * (depth_max - depth_min)",
        "depth_inverted_from_metric": estimator.inverts,
    }
