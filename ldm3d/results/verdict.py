"""How each number changed since an earlier run: the previous one, or a baseline."""

import math
from collections.abc import Callable, Iterable, Sequence
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
FLOAT32 = 1e-6  # and that of a mean, which a network's rounding may cause in the same pictures


@dataclass(frozen=True)
class Pairing:
    """How the pictures behind two means pair up."""

    stderr: float = math.nan
    """Standard error of the difference of the means."""
    count: int = 0
    """Pictures that have a number in both."""
    why_not: str = ""
    """Why there are no pairs; empty if there are."""


Pair = Callable[[Result, Result], Pairing | None]
"""Pairs up the pictures of a result and an earlier one; None for numbers that are no means over pictures."""


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
    stderr: float | None = None
    """Standard error of the change; None if it is unknown or nothing was compared."""
    pairing: Pairing | None = None
    """How the pictures pair up; None for numbers that are no means over pictures."""
    differs: tuple[Difference, ...] = ()
    """Settings in which the protocols of an incomparable number differ."""

    @property
    def change(self) -> float:
        """Now minus before; NaN if there is no before."""
        return self.result.value - self.before.value if self.before else math.nan


def _unpaired(now: Result, before: Result) -> Pairing | None:
    return None


def verdicts(
    results: Sequence[Result], history: Sequence[Result], tolerance: float, pair: Pair = _unpaired
) -> list[Verdict]:
    """Compare each result with the latest earlier one of the same pictures, metric and protocol.

    Args:
        history: results of earlier runs; any of the same run are ignored.
        tolerance: standard errors of the difference that a change must exceed to count: that of pairs of pictures, or
            √(a² + b²) without pairs. If either error is unknown or 0, any change beyond rounding counts.
        pair: finds the pairs.

    Returns:
        Verdicts in the order of `results`.
    """
    earlier = grouped(history, lambda result: (result.pictures, result.metric))
    return [_verdict(each, earlier.get((each.pictures, each.metric), []), tolerance, pair) for each in results]


def pinned(against_baseline: Iterable[Verdict], against_latest: Iterable[Verdict]) -> list[Verdict]:
    """Take the verdict on each number against a baseline, or that against the latest run if only it has the number
    under the same protocol: a number that the baseline lacks is still watched."""

    def rank(verdict: Verdict) -> int:
        return 0 if verdict.threshold is not None else KINDS.index(verdict.kind)

    return [min(both, key=rank) for both in zip(against_baseline, against_latest, strict=True)]


def overall(found: Iterable[Verdict]) -> Kind:
    """Sum up a run: worse if any number is worse, else better if any is, and so on; new if there are none."""
    kinds = {each.kind for each in found}
    return next((kind for kind in KINDS if kind in kinds), "new")


def _verdict(result: Result, earlier: list[Result], tolerance: float, pair: Pair) -> Verdict:
    others = [each for each in earlier if each.run != result.run]
    before = latest(each for each in others if each.protocol == result.protocol)
    if before:
        pairing = pair(result, before)
        is_paired = pairing is not None and not pairing.why_not
        stderr = pairing.stderr if pairing and is_paired else _stderr(before, result)
        rounding = (FLOAT32 if is_paired else ROUNDING) * max(abs(before.value), abs(result.value))
        threshold = max(rounding, tolerance * (stderr or 0)) if math.isfinite(rounding) else rounding
        kind = _kind(before.value, result.value, threshold, result.metric)
        return Verdict(result, kind, before, threshold, stderr, pairing)
    if other := latest(others):
        return Verdict(result, "incomparable", other, differs=differences(other, result))
    return Verdict(result, "new")


def _stderr(before: Result, now: Result) -> float | None:
    errors = [each.stderr for each in (before, now) if each.stderr is not None and each.stderr > 0]  # not NaN either
    return math.hypot(*errors) if len(errors) == 2 else None


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
