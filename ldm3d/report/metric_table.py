"""A table with a column per metric: our rows above, the paper's below."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ldm3d.report.blocks import Cell, Row, Table, row
from ldm3d.results.evaluation import Result
from ldm3d.results.metrics import METRICS
from ldm3d.results.notation import DISTANCES, number, short, span, title, with_error
from ldm3d.results.paper import Published

SPREAD = ("inception_score", "clip")  # their ± in the paper is a standard deviation, over splits and over pictures
FEW = 2_048  # pictures: with fewer, the covariance of as many features has no inverse
SURROGATE = (
    "Surrogate: measured with a network that stands in for the published one. Such numbers can be compared with each "
    "other, never with the paper's."
)


@dataclass(frozen=True)
class Line:
    """One of our rows."""

    labels: tuple[str, ...]
    """Its first cells."""
    results: dict[str, Result]
    """By the metric in whose column each stands."""


@dataclass(frozen=True)
class Paper:
    """The paper's rows of a table."""

    rows: Sequence[Published]
    labels: Callable[[Published], tuple[str, ...]]
    """The first cells of a row."""
    caveats: Callable[[Sequence[Result]], Iterable[str]]
    """What is known to differ, given the results that stand beside the paper's."""


def metric_table(
    heading: str,
    labels: tuple[str, ...],
    metrics: Iterable[str],
    lines: Sequence[Line],
    surrogate: Sequence[str],
    paper: Paper | None = None,
    notes: tuple[str, ...] = (),
) -> Table | None:
    """Make a table of our rows and the paper's.

    Args:
        labels: headings of the first columns.
        metrics: columns; those without any value are dropped.
        surrogate: metrics to mark as surrogates, beside which the paper's numbers are left out.

    Returns:
        None if there is no value at all.
    """
    # our columns and rows
    found = {metric: [line.results[metric] for line in lines if metric in line.results] for metric in metrics}
    found = {metric: results for metric, results in found.items() if results}
    if not found:
        return None
    stand_in = [metric for metric, results in found.items() if {each.metric for each in results} & {*surrogate}]
    titles = (
        title(metric, (each.num_samples for each in results), surrogate=metric in stand_in, arrow=True)
        for metric, results in found.items()
    )
    rows = [_ours(line, found) for line in lines if line.results]
    notes = (*notes, _plus_minus(found), *_of_few(found), *([SURROGATE] if stand_in else []))
    # the paper's rows that share a metric with ours
    caveats: tuple[str, ...] = ()
    if paper:
        real = [metric for metric in found if metric not in stand_in]
        beside = [each for each in paper.rows if each.values.keys() & {*real}]
        rows += [_published(each, paper.labels(each), found, real) for each in beside]
        common = {metric for each in beside for metric in each.values} & {*real}
        if beside:
            caveats = tuple(paper.caveats([each for metric in found if metric in common for each in found[metric]]))
    return Table((*labels, *titles, "N", "excluded"), tuple(rows), heading, len(labels), notes, caveats)


def _ours(line: Line, found: dict[str, list[Result]]) -> Row:
    cells = (_cell(line.results.get(metric), metric, found[metric]) for metric in found)
    shown = [result for metric, result in line.results.items() if metric in found]
    return row(*line.labels, *cells, span(each.num_samples for each in shown), span(each.excluded for each in shown))


def _cell(result: Result | None, metric: str, column: list[Result]) -> Cell:
    if result is None:
        return Cell()
    digits = METRICS[metric].digits
    if metric in SPREAD and result.std is not None:
        error = "" if result.stderr is None else f"SE {number(result.stderr, digits)}"
        return Cell(with_error(result.value, result.std, digits), error)
    named = short(metric, result.num_samples)
    mixed = len({each.num_samples for each in column}) > 1 and named != METRICS[metric].title
    return Cell(with_error(result.value, result.stderr, digits), named if mixed else "")


def _published(given: Published, labels: tuple[str, ...], found: Iterable[str], real: Sequence[str]) -> Row:
    cells = (
        Cell(with_error(*given.values[metric], _digits(given.values[metric][0])))
        if metric in given.values and metric in real
        else Cell()
        for metric in found
    )
    count = f"{given.count:,}" if given.count is not None else "not stated"
    return row(Cell(labels[0], "paper"), *labels[1:], *cells, count, Cell(), published=True)


def _of_few(found: dict[str, list[Result]]) -> Iterable[str]:
    """Warn of distances between distributions that too few pictures stand for."""
    few = {metric: min(each.num_samples for each in found[metric]) for metric in DISTANCES if metric in found}
    few = {metric: count for metric, count in few.items() if count < FEW}
    if few:
        yield (
            f"{' and '.join(METRICS[metric].title for metric in few)} of {min(few.values()):,} pictures says little: "
            f"its bias is large below {FEW:,}, and it can be compared at equal numbers only."
        )


def _digits(value: float) -> int:
    """Return how many digits the paper prints after the point."""
    return len(repr(value).partition(".")[2])


def _plus_minus(found: Iterable[str]) -> str:
    spread = [METRICS[metric].title for metric in found if metric in SPREAD]
    if not spread:
        return "± is the standard error."
    return (
        f"± of {' and '.join(spread)} is the standard deviation (IS over splits, CLIP over pictures), as the paper's; "
        "SE and all other ± are standard errors."
    )
