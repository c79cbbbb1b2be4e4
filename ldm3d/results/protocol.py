"""The settings stored beside a number: parse, flatten and compare them."""

import json
from typing import Any, NamedTuple

from ldm3d.config import flat
from ldm3d.results.evaluation import Result

NAMES = "names"  # names of networks, for people: what identifies a network is the hash of its weights


class Difference(NamedTuple):
    """A setting in which two protocols differ."""

    setting: str
    """Its dotted name."""
    was: Any
    """None if the protocol does not have it; so for `now`."""
    now: Any


def protocol_of(result: Result) -> dict[str, Any]:
    """Parse `Result.config`; its raw text under `config` if it is not a JSON object."""
    try:
        found = json.loads(result.config)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"config": result.config}


def differences(was: Result, now: Result) -> tuple[Difference, ...]:
    """Return the settings in which two protocols differ, in alphabetical order."""
    before, after = flat(protocol_of(was)), flat(protocol_of(now))
    return tuple(
        Difference(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if json.dumps(before.get(name)) != json.dumps(after.get(name))  # 1 is not true, NaN equals itself
    )
