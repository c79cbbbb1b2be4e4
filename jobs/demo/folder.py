"""The folder of the demo: each demo starts with an empty one, and deletes nothing but what an earlier demo wrote."""

import shutil
from pathlib import Path

MARKER = "_DEMO.txt"


def begin_afresh(root: Path) -> None:
    """Make `root` a folder that is empty except for its marker. What an earlier demo left there is deleted.

    A demo does not resume, as its stages do.

    Raises:
        ValueError: the folder holds files, and nothing says that they are a demo's. None is deleted.
    """
    for file in claim(root):
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        else:
            file.unlink()


def claim(root: Path) -> list[Path]:
    """Make `root` a folder of the demo. Returns what is in it beside the marker.

    Raises:
        ValueError: the folder holds files, and nothing says that they are a demo's.
    """
    root.mkdir(parents=True, exist_ok=True)
    left = [file for file in root.iterdir() if file.name != MARKER]
    if left and not (root / MARKER).is_file():
        raise ValueError(f"{root} holds files, but no {MARKER}, so they are not of a demo: move them elsewhere first")
    (root / MARKER).write_text("The demo wrote this folder, and deletes all that is in it when it is run again.\n")
    return left
