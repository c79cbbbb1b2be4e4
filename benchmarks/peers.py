"""Programs of others to compare with that this project does not depend on, installed for the time of a benchmark."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

READY = ".ready"


@contextmanager
def python_packages(folder: str, *requirements: str) -> Iterator[Path]:
    """Install packages and what they need. Yields a folder for the end of sys.path, where ours come before them.

    Args:
        folder: where they are kept for the next time; empty: a temporary one.
        requirements: with exact versions.
    """
    yield from _installed(
        folder, [sys.executable, "-m", "pip", "install", "-qq", "--no-warn-conflicts", "--target", "."], requirements
    )


@contextmanager
def npm_packages(folder: str, *requirements: str) -> Iterator[Path]:
    """Install packages of npm, without running scripts of theirs. Yields the folder that holds node_modules."""
    flags = ["--prefix", ".", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--engine-strict=false"]
    yield from _installed(folder, ["npm", "install", *flags], requirements)


def _installed(folder: str, command: list[str], requirements: tuple[str, ...]) -> Iterator[Path]:
    with TemporaryDirectory() as temporary:
        place = Path(folder).resolve() if folder else Path(temporary)
        wanted = "\n".join(requirements)
        if not (place / READY).exists() or (place / READY).read_text() != wanted:
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run([*command, *requirements], cwd=place, check=True, env=os.environ | {"PIP_NO_INPUT": "1"})
            (place / READY).write_text(wanted)
        yield place
