"""The settings beside a number: read, made flat, compared."""

import json
from typing import Any, NamedTuple

from ldm3d.config import flat
from ldm3d.results.evaluation import Result

NAMES = "names"  # of networks, which protocols keep for people: what decides is the hash of the weights


class Difference(NamedTuple):
    """Of one setting, by its dotted name. None where a protocol does not have it."""

    setting: str
    was: Any
    now: Any


def protocol_of(result: Result) -> dict[str, Any]:
    """What is in `Result.config`; its bare text under `config` where that is no JSON object."""
    try:
        found = json.loads(result.config)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"config": result.config}


def differences(was: Result, now: Result) -> tuple[Difference, ...]:
    """The settings in which two protocols differ, in alphabetical order."""
    before, after = flat(protocol_of(was)), flat(protocol_of(now))
    return tuple(
        Difference(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if json.dumps(before.get(name)) != json.dumps(after.get(name))  # 1 and true are two things, NaN is one
    )
