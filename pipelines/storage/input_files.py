"""Which files of a folder that a user gives are its data: one rule, for metadata, captions and pictures."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from pipelines.storage.folder import Folder

logger = logging.getLogger(__name__)


def input_files(folder: Folder, setting: str, suffixes: tuple[str, ...]) -> dict[str, int]:
    """Find the files with one of the suffixes, in lower or upper case, below a folder.

    What is hidden (`.ipynb_checkpoints/`, `._x.parquet`) and what lies in folders that begin with `_` (`_temporary/`,
    where a write was not finished) is not data, as Arrow, Spark and Hive have it. Links to folders are followed; a
    folder that is reached in several ways is read once. What is passed over is logged by name.

    Args:
        setting: the flag that names the folder, for the log.
        suffixes: such as `.parquet`.

    Returns:
        Sizes in bytes by relative path, in the order of the paths.

    Raises:
        OSError: the folder cannot be listed, or a link leads nowhere.
    """
    everything = sorted(_linked(folder.root) if folder.is_local else folder.sizes().items())
    data = [(name, size) for name, size in everything if name.lower().endswith(suffixes)]
    found = {name: size for name, size in data if not _is_hidden(name)}
    if hidden := [name for name, _ in data if name not in found]:
        logger.warning(
            "%s %r: files that are hidden, or below a folder that begins with _, are not read (%d, %s first)",
            setting,
            folder.url,
            len(hidden),
            hidden[0],
        )
    endings = Counter(
        PurePosixPath(name).suffix for name, _ in everything if name not in found and not _is_hidden(name)
    )
    if found and endings:
        counts = ", ".join(f"{count} of {ending or 'no ending'}" for ending, count in endings.most_common())
        logger.info("%s %r: read are %s alone; %s are passed over", setting, folder.url, ", ".join(suffixes), counts)
    return found


def _is_hidden(name: str) -> bool:
    *folders, file = PurePosixPath(name).parts
    return file.startswith(".") or any(folder.startswith((".", "_")) for folder in folders)


def _linked(root: str) -> Iterator[tuple[str, int]]:
    """Yield relative path and size of each file below a local folder, behind links too."""
    seen: set[str] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        folders.sort()  # which of several ways to a folder is taken must not depend on the file system
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            path = os.path.join(place, name)
            yield os.path.relpath(path, root), os.stat(path).st_size
