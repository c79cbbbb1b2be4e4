"""NAME=PATH, as settings take it where several things of a kind are given."""

import re

NAMED = re.compile(r"^([\w.+-]+)=(.+)$", re.DOTALL)


def named(given: str) -> tuple[str, str]:
    """(name, path or id); without a name in front of it, it is called by the last part of its path.

    A path with a slash before its first `=` has no name: `runs/lr=1e-4/model`.
    """
    found = NAMED.match(given)
    if found:
        return found[1], found[2]
    return given.rstrip("/").rpartition("/")[2], given
