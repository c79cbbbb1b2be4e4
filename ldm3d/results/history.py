"""How numbers developed over runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ldm3d.results.evaluation import Evaluation, Result

LAST = 20  # runs shown


@dataclass(frozen=True)
class Track:
    """One number over runs: the same pictures, metric and protocol each time."""

    results: tuple[Result, ...]
    """Oldest first; the current run's is last."""

    @property
    def pictures(self) -> str:
        return self.results[-1].pictures

    @property
    def metric(self) -> str:
        return self.results[-1].metric


def tracks(evaluation: Evaluation) -> list[Track]:
    """Return a track per result that at least two runs have, in the order of the results, cut to the last 20 runs."""
    earlier: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in sorted(evaluation.history, key=started_at):
        if result.run != evaluation.run:
            earlier.setdefault(_same(result), {})[result.run] = result
    found = [Track((*earlier.get(_same(result), {}).values(), result)[-LAST:]) for result in evaluation.results]
    return [track for track in found if len(track.results) > 1]


def runs_of(found: Iterable[Track], run: str) -> list[Result]:
    """Return one result per run for the last 20 runs of any track, oldest first, with that of `run` last."""
    runs = {each.run: each for track in found for each in track.results}
    return sorted(runs.values(), key=lambda each: (each.run == run, started_at(each)))[-LAST:]


def latest(results: Iterable[Result]) -> Result | None:
    """Return the result whose run started last; the last of several equal ones."""
    ordered = sorted(results, key=started_at)  # stable
    return ordered[-1] if ordered else None


def started_at(result: Result) -> datetime:
    """Return when the run of a result started, or a time before all others if its text is not a time."""
    try:
        found = datetime.fromisoformat(result.started)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _same(result: Result) -> tuple[str, str, str]:
    """Key of the track that a result belongs to."""
    return result.pictures, result.metric, result.protocol
