"""Sweeps: results that differ in one variable alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ldm3d.results.evaluation import Evaluation, Result
from ldm3d.results.history import started_at
from ldm3d.results.protocol import NAMES, protocol_of

VARIABLES = {"guidance_scale": "guidance scale", "num_inference_steps": "steps", "training_step": "training step"}
FACTS = ("scheduler", *VARIABLES)
SWEPT = ("fid", "kid", "inception_score", "clip")  # metrics of pictures, which figures 4 to 7 of the paper are of


@dataclass(frozen=True)
class Series:
    """Results of one metric, in the order of `variable`, of which they have at least two values."""

    variable: str
    results: tuple[Result, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """What its results have in common, by name."""
        first = self.results[0]
        found = {name: getattr(first, name) for name in FACTS if name != self.variable}
        bases = list(dict.fromkeys(base(each) for each in self.results))
        named = bases[0] if len(bases) == 1 else None if self.variable == "training_step" else ", ".join(bases)
        return found | {"pictures": named, "count": max(each.num_samples for each in self.results)}


def sweeps(evaluation: Evaluation, metric: str, variable: str) -> list[Series]:
    """All of a metric over a variable. Those over training steps take in earlier runs, as each may be of one step."""
    known = [each for each in evaluation.results if each.metric == metric]
    if variable == "training_step":
        known += sorted((each for each in evaluation.history if each.metric == metric), key=started_at, reverse=True)
    groups: dict[str, list[Result]] = {}
    for each in known:
        if getattr(each, variable) is not None:
            groups.setdefault(_all_but(each, variable), []).append(each)
    found = [series for group in groups.values() for series in _series(_newest(group), variable)]
    return [each for each in found if any(result.run == evaluation.run for result in each.results)]


def base(result: Result) -> str:
    """The input that a set belongs to: its name without that of its point of a grid."""
    return result.pictures.rpartition("/")[0] or result.pictures


def _all_but(result: Result, variable: str) -> str:
    """Everything that decides a result but one variable. The pictures themselves are looked at in `_series`."""
    protocol = protocol_of(result)
    drawn = protocol.pop("drawn_with", None)
    for name in (NAMES, "pictures"):
        protocol.pop(name, None)
    facts = (drawn if isinstance(drawn, dict) else {}) | {name: getattr(result, name) for name in FACTS}
    facts.pop(variable)
    model = None if variable == "training_step" else result.checkpoint
    planned = result.num_samples + result.excluded
    return json.dumps([protocol, facts, model, planned], sort_keys=True)


def _newest(results: Iterable[Result]) -> list[Result]:
    """One of each set and model; they come newest first."""
    found: dict[tuple[Any, ...], Result] = {}
    for each in results:
        found.setdefault((each.pictures, each.checkpoint, *(getattr(each, name) for name in FACTS)), each)
    return list(found.values())


def _series(results: Sequence[Result], variable: str) -> list[Series]:
    """One of all; where two have the same value or other captions, one for each input, of the first of each value."""
    whole = _is_one(results, variable)
    groups = [list(results)] if whole else [_first_of_each(group, variable) for group in _by_base(results)]
    found = [sorted(group, key=lambda each: getattr(each, variable)) for group in groups if _is_one(group, variable)]
    return [Series(variable, tuple(group)) for group in found if len(group) > 1]


def _first_of_each(results: Sequence[Result], variable: str) -> list[Result]:
    found: dict[Any, Result] = {}
    for each in results:
        found.setdefault(getattr(each, variable), each)
    return list(found.values())


def _by_base(results: Sequence[Result]) -> list[list[Result]]:
    found: dict[str, list[Result]] = {}
    for each in results:
        found.setdefault(base(each), []).append(each)
    return list(found.values())


def _is_one(results: Sequence[Result], variable: str) -> bool:
    """No value twice, and the same pictures but for those that were excluded."""
    values = [getattr(each, variable) for each in results]
    whole = {json.dumps(protocol_of(each).get("pictures")) for each in results if not each.excluded}
    return len(set(values)) == len(values) and len(whole) <= 1
