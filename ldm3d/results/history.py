"""Numbers over runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ldm3d.results.evaluation import Evaluation, Result

LAST = 20  # runs that are shown


@dataclass(frozen=True)
class Track:
    """One number over runs: of the same pictures, metric and protocol, oldest first, this run's last."""

    results: tuple[Result, ...]

    @property
    def pictures(self) -> str:
        return self.results[-1].pictures

    @property
    def metric(self) -> str:
        return self.results[-1].metric


def tracks(evaluation: Evaluation) -> list[Track]:
    """Those of at least two runs, the last 20 of each, in the order of the results."""
    earlier: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in sorted(evaluation.history, key=started_at):
        if result.run != evaluation.run:
            earlier.setdefault(_same(result), {})[result.run] = result
    found = [Track((*earlier.get(_same(result), {}).values(), result)[-LAST:]) for result in evaluation.results]
    return [track for track in found if len(track.results) > 1]


def runs_of(found: Iterable[Track], run: str) -> list[Result]:
    """A result of each of the last 20 runs of any of them, oldest first, that of `run` last."""
    runs = {each.run: each for track in found for each in track.results}
    return sorted(runs.values(), key=lambda each: (each.run == run, started_at(each)))[-LAST:]


def latest(results: Iterable[Result]) -> Result | None:
    """The one that was started last; of equals the last of all."""
    return max(enumerate(results), key=lambda item: (started_at(item[1]), item[0]), default=(0, None))[1]


def started_at(result: Result) -> datetime:
    """When its run was started; long ago where that is no time."""
    try:
        found = datetime.fromisoformat(result.started)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _same(result: Result) -> tuple[str, str, str]:
    return result.pictures, result.metric, result.protocol
