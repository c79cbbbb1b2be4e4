"""What differs between what an output was begun with and what a run wants now, by the flags that a person types."""

import shlex
from typing import Any

SHOWN = 6  # changes that are named, of any number
# What an identity holds of the content of a place, under its own name, and not as a setting.
CONTENT = {
    "base": "--model.base",
    "autoencoder": "--model.autoencoder",
    "text": "--text.base",
    "data": "--input",
    "corpus": "--input",
    "input": "--input",
    "files": "--input",
    "pictures": "--input",
    "depth_model": "--depth.model",
}
GENERATE = {"model": "--model.model"}  # where the others have a section of settings
FLAGS = {"precision": "--model.precision"}  # a setting that an identity names otherwise
ABSENT = object()


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """List the differences between two identities of a stage, one line for each flag: `--loop.epochs was 3, is 4`."""
    content = CONTENT | (GENERATE if now.get("stage") in ("generate", "depth_fusion") else {})
    lines = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, ABSENT), now.get(name, ABSENT)
        if name in content:
            lines += _of_content(content[name], old, new)
        else:
            lines += _of_settings(name, old, new)
    return list(dict.fromkeys(lines))


def shortened(lines: list[str], place: str) -> str:
    """Join changes to a sentence's part, cut after the first few.

    Args:
        place: the file that holds all the old values.
    """
    left = len(lines) - SHOWN
    more = [f"and {left} more (the old values are in {place})"] if left > 0 else []
    return "; ".join(lines[:SHOWN] + more)


def _of_settings(name: str, before: Any, now: Any) -> list[str]:
    if before == now:
        return []
    if sections := [value for value in (before, now) if isinstance(value, dict) and value]:
        old, new = (value if value in sections else {} for value in (before, now))
        keys = sorted({key for section in sections for key in section})
        found = (_of_settings(f"{name}.{key}", old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys)
        return [line for lines in found for line in lines]
    flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
    if _is_fingerprint(before) or _is_fingerprint(now):  # of a local model, whose path may change
        return [f"{flag} is another model than then"]
    return [f"{flag} was {_typed(flag, before)}, is {_typed(flag, now)}"]


def _of_content(flag: str, before: Any, now: Any) -> list[str]:
    """Say that what is in a place has changed. Fingerprints tell a person nothing; the commit of a hub id does."""
    if before == now:
        return []
    if flag in GENERATE.values() and isinstance(before, dict) and isinstance(now, dict):
        return _of_named_models(flag, before, now)
    named = [isinstance(value, str) and "@" in value for value in (before, now)]
    if all(named) or None in (before, now):
        old, new = ("given" if value is not None and not all(named) else value for value in (before, now))
        return [f"{flag} was {_typed(flag, old)}, is {_typed(flag, new)}"]
    return [f"{flag} holds something else than then" if flag == "--input" else f"{flag} is another model than then"]


def _of_named_models(flag: str, before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Say which of several models differ, by the name that each has in a grid: `--model.model end=runs/a`."""
    gone = [f"{flag} named {name}= then" for name in before if name not in now]
    new = [f"{flag} did not name {name}= then" for name in now if name not in before]
    others = [f"{flag} {name}= is another model than then" for name in now if before.get(name, now[name]) != now[name]]
    return gone + new + others


def _is_fingerprint(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:")


def _typed(flag: str, value: Any) -> str:
    """Write a value as it is typed."""
    match value:
        case True:
            return "on"
        case False:
            section, dot, name = flag.removeprefix("--").rpartition(".")
            return f"off (--{section}{dot}no-{name})"
        case []:
            return "(nothing)"
        case list():
            return " ".join(_typed(flag, each) for each in value)
        case str():
            return shlex.quote(value if len(value) <= 200 else f"{value[:200]}...")
    return "not given" if value is ABSENT else str(value)
