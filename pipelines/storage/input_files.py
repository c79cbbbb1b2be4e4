"""Which files of a folder that a user gives are its data: one rule, for metadata, captions and pictures."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NoReturn

from pipelines.storage.folder import Folder

logger = logging.getLogger(__name__)


def input_files(folder: Folder, setting: str, *choices: tuple[str, ...]) -> dict[str, int]:
    """Find the data files below a folder.

    What is hidden (`.ipynb_checkpoints/`, `._x.parquet`) and what lies in folders that begin with `_` (`_temporary/`,
    where a write was not finished) is not data. Links to folders are followed; a folder that is reached in several
    ways is read once, under its own name if it lies below the folder. What is skipped is logged.

    Args:
        setting: the flag that names the folder, for the log.
        choices: endings such as `.parquet`, in lower case. Files are those of the first choice that there are any of.

    Returns:
        Sizes in bytes by relative path, in the order of the paths.

    Raises:
        OSError: a folder cannot be listed, or the link to a data file leads nowhere.
    """
    sizes = None if folder.is_local else folder.sizes()
    names = sorted(_names(folder.root) if sizes is None else sizes)
    shown = [name for name in names if not _is_hidden(name)]
    every = ((endings, [name for name in shown if name.lower().endswith(endings)]) for endings in choices)
    endings, found = next((each for each in every if each[1]), (choices[0], []))
    _tell(f"{setting} {folder.url!r}", endings, names, shown, found)
    return {name: os.stat(folder.path(name)).st_size if sizes is None else sizes[name] for name in found}


def _tell(given: str, endings: tuple[str, ...], names: list[str], shown: list[str], found: list[str]) -> None:
    if hidden := [name for name in names if name.lower().endswith(endings) and _is_hidden(name)]:
        logger.warning(
            "%s: skipped files that are hidden or in a folder whose name begins with _ (%d, %s first)",
            given,
            len(hidden),
            hidden[0],
        )
    others = Counter(PurePosixPath(name).suffix for name in set(shown) - set(found))
    if found and others:
        counts = ", ".join(f"{count} {ending or 'without an extension'}" for ending, count in others.most_common())
        logger.info("%s: reading %s files; skipped: %s", given, ", ".join(endings), counts)


def _is_hidden(name: str) -> bool:
    *folders, file = PurePosixPath(name).parts
    return file.startswith(".") or any(folder.startswith((".", "_")) for folder in folders)


def _names(root: str) -> Iterator[str]:
    """Yield the relative path of each file below a local folder, and then of those behind links to folders."""
    seen: set[str] = set()
    starts = [root]
    while starts:
        links: list[str] = []
        for start in starts:
            for place, folders, names in os.walk(start, onerror=_raise):
                real = os.path.realpath(place)
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                links += [os.path.join(place, name) for name in folders if os.path.islink(os.path.join(place, name))]
                yield from (os.path.relpath(os.path.join(place, name), root) for name in names)
        starts = sorted(links)  # which of several ways to a folder is taken must not depend on the file system


def _raise(error: OSError) -> NoReturn:
    raise error
