"""What became of each number since the run before."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ldm3d.results.evaluation import Result
from ldm3d.results.history import latest
from ldm3d.results.metrics import METRICS
from ldm3d.results.protocol import Difference, differences

Kind = Literal["worse", "better", "same", "incomparable", "new"]
KINDS: tuple[Kind, ...] = ("worse", "better", "same", "incomparable", "new")
ROUNDING = 1e-9  # of a value, relative: sums in another order


@dataclass(frozen=True)
class Verdict:
    """
    result: of this run.
    kind: `new` where there is nothing to compare with; `incomparable` where earlier runs have the number by another
        protocol only.
    before: what it was compared with, or would be if protocols were equal; None of what is new.
    threshold: what a change had to exceed to count; None where nothing was compared.
    differs: settings in which an incomparable number's protocol differs.
    """

    result: Result
    kind: Kind
    before: Result | None = None
    threshold: float | None = None
    differs: tuple[Difference, ...] = ()

    @property
    def change(self) -> float:
        """From before to now; NaN where there is no before."""
        return self.result.value - self.before.value if self.before else math.nan


def verdicts(results: Sequence[Result], history: Sequence[Result], tolerance: float) -> list[Verdict]:
    """Each result against the latest earlier one of the same pictures, metric and protocol, in the order of `results`.

    Args:
        history: of earlier runs; those of the same run are passed over.
        tolerance: standard errors of the difference, √(a² + b²), that a change may have and still be the same. Where
            either error is unknown or 0, any change beyond rounding counts.
    """
    earlier: dict[tuple[str, str], list[Result]] = {}
    for result in history:
        earlier.setdefault((result.pictures, result.metric), []).append(result)
    return [_verdict(each, earlier.get((each.pictures, each.metric), []), tolerance) for each in results]


def overall(found: Iterable[Verdict]) -> Kind:
    """Of a run: worse if any number is, else better if any is, and so on; new of nothing."""
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
    errors = [each.stderr for each in (before, now) if each.stderr is not None and each.stderr > 0]  # NaN is not
    if len(errors) < 2 or not math.isfinite(rounding):
        return rounding
    return max(rounding, tolerance * math.hypot(*errors))


def _kind(before: float, now: float, threshold: float, metric: str) -> Kind:
    if math.isnan(now) or math.isnan(before):
        return "same" if math.isnan(now) and math.isnan(before) else "worse" if math.isnan(now) else "better"
    if now == before or (math.isfinite(now - before) and abs(now - before) <= threshold):
        return "same"
    return "better" if (now > before) == (METRICS[metric].better == "higher") else "worse"
