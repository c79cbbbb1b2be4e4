"""A table with a column for each metric, ours above and the paper's below."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ldm3d.report.blocks import Cell, Row, Table, row
from ldm3d.results.evaluation import Result
from ldm3d.results.metrics import METRICS
from ldm3d.results.notation import number, short, span, title, with_error
from ldm3d.results.paper import Published

SPREAD = ("inception_score", "clip")  # whose ± in the paper is a spread: of splits, and of pictures
SURROGATE = (
    "Surrogate: measured with a network that stands in for the published one. Such numbers compare with each other, "
    "never with the paper's."
)


@dataclass(frozen=True)
class Line:
    """A row of ours. labels: its first cells. results: by the metric whose column each stands in."""

    labels: tuple[str, ...]
    results: dict[str, Result]


@dataclass(frozen=True)
class Paper:
    """What the paper has. labels: the first cells of its rows. differ: what differs from it, of what stands beside."""

    rows: Sequence[Published]
    labels: Callable[[Published], tuple[str, ...]]
    differ: Callable[[Sequence[Result]], Iterable[str]]


def metric_table(
    heading: str,
    labels: tuple[str, ...],
    metrics: Iterable[str],
    lines: Sequence[Line],
    surrogate: Sequence[str],
    paper: Paper | None = None,
    notes: tuple[str, ...] = (),
) -> Table | None:
    """
    Args:
        labels: headings of the first columns.
        metrics: columns; those without any value are dropped.
        surrogate: metrics that are marked, and beside which nothing of the paper's stands.

    Returns:
        None where there is no value at all.
    """
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
    notes = (*notes, _plus_minus(found), *([SURROGATE] if stand_in else []))
    differs: tuple[str, ...] = ()
    if paper:
        real = [metric for metric in found if metric not in stand_in]
        beside = [each for each in paper.rows if each.values.keys() & {*real}]
        rows += [_published(each, paper.labels(each), found, real) for each in beside]
        common = {metric for each in beside for metric in each.values} & {*real}
        if beside:
            differs = tuple(paper.differ([each for metric in found if metric in common for each in found[metric]]))
    return Table((*labels, *titles, "N", "excluded"), tuple(rows), heading, len(labels), notes, differs)


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
    return row(Cell(labels[0], "paper"), *labels[1:], *cells, f"{given.count:,}", Cell(), published=True)


def _digits(value: float) -> int:
    """As many as the paper prints."""
    return len(repr(value).partition(".")[2])


def _plus_minus(found: Iterable[str]) -> str:
    spread = [METRICS[metric].title for metric in found if metric in SPREAD]
    if not spread:
        return "± is the standard error."
    return (
        f"± of {' and '.join(spread)} is the spread, as in the paper (of IS over splits, of CLIP over pictures), and "
        "SE the standard error; ± of the rest is the standard error."
    )
