"""NAME=PATH, as settings take it where several things of a kind are given."""

import re

NAMED = re.compile(r"^([\w.+-]+)=(.+)$", re.DOTALL)


def named(given: str) -> tuple[str, str]:
    """(name, path or id). Without a name it is called by its folder, or by that of `model/`.

    A path with a slash before its first `=` has no name: `runs/lr=1e-4/model`.
    """
    found = NAMED.match(given)
    return (found[1], found[2]) if found else (_called(given), given)


def _called(path: str) -> str:
    parts = [part for part in re.split(r"[/\\]+", path) if part]
    return next((part for part in reversed(parts) if part != "model"), "model")
