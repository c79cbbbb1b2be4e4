"""NAME=PATH, the form in which settings name one of several models or sets of pictures."""

import re

NAMED = re.compile(r"^([\w.+-]+)=(.+)$", re.DOTALL)


def named(given: str) -> tuple[str, str]:
    """Split `NAME=PATH` into its name and its path or hub id.

    Without a NAME the last folder of the path is the name, or the one above it where that is `model`:
    `runs/diffusion/model` is called `diffusion`. A path with a slash before its first `=` has no NAME:
    `runs/lr=1e-4/model` is called `lr=1e-4`.
    """
    match = NAMED.match(given)
    if match:
        return match[1], match[2]
    folders = [part for part in re.split(r"[/\\]+", given) if part not in ("", "model")]
    return folders[-1] if folders else "model", given
