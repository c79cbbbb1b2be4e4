"""Sweeps: results that differ in a single variable."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ldm3d.results.evaluation import Evaluation, Result
from ldm3d.results.grouped import grouped
from ldm3d.results.history import started_at
from ldm3d.results.protocol import NAMES, protocol_of

VARIABLES = {"guidance_scale": "guidance scale", "num_inference_steps": "steps", "training_step": "training step"}
FACTS = ("scheduler", *VARIABLES)
SWEPT = ("fid", "kid", "inception_score", "clip")  # picture metrics, those of the paper's figures 4 to 7


@dataclass(frozen=True)
class Series:
    """Results of one metric that differ in `variable` only."""

    variable: str
    results: tuple[Result, ...]
    """In the order of the variable, with at least two values of it."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the results have in common, by name."""
        first = self.results[0]
        found = {name: getattr(first, name) for name in FACTS if name != self.variable}
        return found | {"pictures": self._pictures(), "count": max(each.num_samples for each in self.results)}

    def _pictures(self) -> str | None:
        """Name the inputs of the results; None if each training step is an input of its own."""
        bases = list(dict.fromkeys(base(each) for each in self.results))
        if len(bases) > 1 and self.variable == "training_step":
            return None
        return ", ".join(bases)


def sweeps(evaluation: Evaluation, metric: str, variable: str) -> list[Series]:
    """Find every series of a metric over a variable that includes a result of this run.

    Series over training steps include earlier runs, since a run may measure a single step.
    """
    known = [each for each in evaluation.results if each.metric == metric]
    if variable == "training_step":
        known += sorted((each for each in evaluation.history if each.metric == metric), key=started_at, reverse=True)
    groups = grouped(
        (each for each in known if getattr(each, variable) is not None), lambda each: _all_but(each, variable)
    )
    found = [series for group in groups.values() for series in _series(_newest(group), variable)]
    return [each for each in found if any(result.run == evaluation.run for result in each.results)]


def base(result: Result) -> str:
    """Return the input that a set belongs to: its name without the point of the grid."""
    return result.pictures.rpartition("/")[0] or result.pictures


def _all_but(result: Result, variable: str) -> str:
    """Return everything but one variable that decides a result, as a key. `_series` compares the pictures."""
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
    """Keep the first result of each set and model; results come newest first."""
    return _first_of_each(
        results, lambda each: (each.pictures, each.checkpoint, *(getattr(each, name) for name in FACTS))
    )


def _series(results: Sequence[Result], variable: str) -> list[Series]:
    """Make one series of all results, or one per input if they do not form one."""

    def value(result: Result) -> Any:
        return getattr(result, variable)

    groups = [list(results)]
    if not _is_one(results, variable):
        groups = [_first_of_each(group, value) for group in grouped(results, base).values()]
    found = [sorted(group, key=value) for group in groups if _is_one(group, variable)]
    return [Series(variable, tuple(group)) for group in found if len(group) > 1]


def _first_of_each(results: Iterable[Result], key: Callable[[Result], Any]) -> list[Result]:
    """Keep the first result of each key."""
    return [same[0] for same in grouped(results, key).values()]


def _is_one(results: Sequence[Result], variable: str) -> bool:
    """Say whether results form one series: distinct values, and the same pictures up to excluded ones."""
    values = [getattr(each, variable) for each in results]
    whole = {json.dumps(protocol_of(each).get("pictures")) for each in results if not each.excluded}
    return len(set(values)) == len(values) and len(whole) <= 1
