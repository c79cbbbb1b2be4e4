"""How each number changed since the previous run."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ldm3d.results.evaluation import Result
from ldm3d.results.grouped import grouped
from ldm3d.results.history import latest
from ldm3d.results.metrics import METRICS
from ldm3d.results.protocol import Difference, differences

Kind = Literal["worse", "better", "same", "incomparable", "new"]
KINDS: tuple[Kind, ...] = ("worse", "better", "same", "incomparable", "new")
ROUNDING = 1e-9  # relative change of a value that another order of additions may cause


@dataclass(frozen=True)
class Verdict:
    """A result of this run, compared with an earlier one."""

    result: Result
    kind: Kind
    """`new` if there is nothing to compare with; `incomparable` if earlier runs only have the number under another
    protocol."""
    before: Result | None = None
    """The result it was compared with, or would be under an equal protocol; None if it is new."""
    threshold: float | None = None
    """What a change had to exceed to count; None if nothing was compared."""
    differs: tuple[Difference, ...] = ()
    """Settings in which the protocols of an incomparable number differ."""

    @property
    def change(self) -> float:
        """Now minus before; NaN if there is no before."""
        return self.result.value - self.before.value if self.before else math.nan


def verdicts(results: Sequence[Result], history: Sequence[Result], tolerance: float) -> list[Verdict]:
    """Compare each result with the latest earlier one of the same pictures, metric and protocol.

    Args:
        history: results of earlier runs; any of the same run are ignored.
        tolerance: standard errors of the difference, √(a² + b²), that a change must exceed to count. If either error
            is unknown or 0, any change beyond rounding counts.

    Returns:
        Verdicts in the order of `results`.
    """
    earlier = grouped(history, lambda result: (result.pictures, result.metric))
    return [_verdict(each, earlier.get((each.pictures, each.metric), []), tolerance) for each in results]


def overall(found: Iterable[Verdict]) -> Kind:
    """Sum up a run: worse if any number is worse, else better if any is, and so on; new if there are none."""
    kinds = {each.kind for each in found}
    return next((kind for kind in KINDS if kind in kinds), "new")


def _verdict(result: Result, earlier: list[Result], tolerance: float) -> Verdict:
    others = [each for each in earlier if each.run != result.run]
    before = latest(each for each in others if each.protocol == result.protocol)
    if before:
        threshold = _threshold(before, result, tolerance)
        return Verdict(result, _kind(before.value, result.value, threshold, result.metric), before, threshold)
    if other := latest(others):
        return Verdict(result, "incomparable", other, differs=differences(other, result))
    return Verdict(result, "new")


def _threshold(before: Result, now: Result, tolerance: float) -> float:
    rounding = ROUNDING * max(abs(before.value), abs(now.value))
    errors = [each.stderr for each in (before, now) if each.stderr is not None and each.stderr > 0]  # not NaN either
    if len(errors) < 2 or not math.isfinite(rounding):
        return rounding
    return max(rounding, tolerance * math.hypot(*errors))


def _kind(before: float, now: float, threshold: float, metric: str) -> Kind:
    if math.isnan(now) and math.isnan(before):
        return "same"
    if math.isnan(now):
        return "worse"
    if math.isnan(before):
        return "better"
    if now == before or (math.isfinite(now - before) and abs(now - before) <= threshold):
        return "same"
    rose = now > before
    return "better" if rose == (METRICS[metric].better == "higher") else "worse"
