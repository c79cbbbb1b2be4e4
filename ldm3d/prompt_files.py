"""The picture files of a sample that is drawn for a prompt: what they are called, and which of them is the picture."""

from collections.abc import Iterable
from pathlib import PurePosixPath

BESIDE = ("depth", "both")  # 16 bits; the picture beside its depth in colours


def file_name(stem: str, kind: str) -> str:
    """Return `<stem>.png` for the `image` of a sample, and `<stem>-<kind>.png` for what lies beside it."""
    return f"{stem}.png" if kind == "image" else f"{stem}-{kind}.png"


def beside_pictures(names: Iterable[str]) -> set[str]:
    """Find the files that are not pictures themselves, but the depth of one among them, or both in one.

    Args:
        names: of files, with their folders. `lemon-depth.png` is a picture where there is no `lemon.png`.
    """
    known = set(names)
    stems = [str(PurePosixPath(name).with_suffix("")) for name in known if name.endswith(".png")]
    return {beside for stem in stems for kind in BESIDE if (beside := file_name(stem, kind)) in known}
