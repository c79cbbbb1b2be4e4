"""The plots of a report: sweeps like figures 4 to 7 of the paper, and numbers over runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ldm3d.figures.drawing import Line, Panel, draw
from ldm3d.results.evaluation import Evaluation, Result
from ldm3d.results.grouped import grouped
from ldm3d.results.history import LAST, Track, runs_of, tracks
from ldm3d.results.metrics import METRICS
from ldm3d.results.notation import fact, plain, title
from ldm3d.results.series import VARIABLES, Series, sweeps

FIGURES = (  # of the paper: number, metrics, variable
    (4, ("fid", "inception_score"), "guidance_scale"),
    (5, ("fid", "inception_score"), "num_inference_steps"),
    (6, ("clip",), "guidance_scale"),
    (7, ("fid",), "training_step"),
)


@dataclass(frozen=True)
class Plot:
    """A row of panels in one file."""

    name: str
    """File name."""
    metric: str
    """Metric of the first panel."""
    title: str
    note: str
    """How to read it."""
    panels: tuple[Panel, ...]


def plots(evaluation: Evaluation) -> dict[str, bytes]:
    """Draw every plot of an evaluation: PNGs by file name."""
    return {plot.name: draw(plot.panels) for plot in (*sweep_plots(evaluation), *history_plots(evaluation))}


def sweep_plots(evaluation: Evaluation) -> Iterator[Plot]:
    """Yield those of figures 4 to 7 for which two or more results differ in the variable only."""
    for figure, metrics, variable in FIGURES:
        found = {metric: sweeps(evaluation, metric, variable) for metric in metrics}
        found = {metric: series for metric, series in found.items() if series}
        if found:
            names = " and ".join(METRICS[metric].title for metric in found)
            common = _common([each for some in found.values() for each in some])
            yield Plot(
                name=f"figure-{figure}-{variable.replace('_', '-')}.png",
                metric=next(iter(found)),
                title=f"{names} against {VARIABLES[variable]}",
                note=f"Like figure {figure} of the paper. {common}Bars are standard errors.",
                panels=tuple(_sweep(evaluation, metric, variable, series) for metric, series in found.items()),
            )


def history_plots(evaluation: Evaluation) -> Iterator[Plot]:
    """Yield a plot per metric that an earlier run has for the same pictures under the same protocol."""
    for metric, some in grouped(tracks(evaluation), lambda track: track.metric).items():
        yield Plot(
            name=f"history-{metric.replace('_', '-')}.png",
            metric=metric,
            title=f"{METRICS[metric].title} over runs",
            note=f"The last {LAST} runs under the same protocol. Bars are standard errors.",
            panels=(_history(evaluation, metric, some),),
        )


def _sweep(evaluation: Evaluation, metric: str, variable: str, found: Sequence[Series]) -> Panel:
    lines = tuple(
        _line(label, [float(getattr(each, variable)) for each in series.results], series.results)
        for label, series in zip(_labels(found), found, strict=True)
    )
    return Panel(
        _title(evaluation, metric, [each for some in found for each in some.results]), VARIABLES[variable], lines
    )


def _history(evaluation: Evaluation, metric: str, found: Sequence[Track]) -> Panel:
    shown = runs_of(found, evaluation.run)
    places = {each.run: place for place, each in enumerate(shown)}
    lines = []
    for track in found:
        results = [each for each in track.results if each.run in places]
        lines.append(_line(track.pictures, [float(places[each.run]) for each in results], results))
    title = _title(evaluation, metric, [each for track in found for each in track.results])
    return Panel(title, "run", tuple(lines), tuple(each.started[:16].replace("T", "\n") for each in shown))


def _line(label: str, x: Sequence[float], results: Sequence[Result]) -> Line:
    return Line(label, tuple(x), tuple(each.value for each in results), tuple(each.stderr for each in results))


def _title(evaluation: Evaluation, metric: str, results: Sequence[Result]) -> str:
    counts = (each.num_samples for each in results)
    return title(metric, counts, surrogate=metric in evaluation.surrogate, arrow=True)


def _labels(found: Sequence[Series]) -> list[str]:
    """Label series by the facts in which they differ; a single one has an empty label."""
    differing = [name for name in found[0].facts if len({plain(each.facts[name]) for each in found}) > 1]
    return [", ".join(_fact(name, each.facts[name]) for name in differing) for each in found]


def _common(found: Sequence[Series]) -> str:
    """Say what all series have in common, in a sentence that ends in a space; empty if there is nothing."""
    first = found[0].facts
    same = [name for name in first if len({plain(each.facts.get(name)) for each in found}) == 1]
    known = [_fact(name, first[name]) for name in same if first[name] is not None]
    return f"All with {', '.join(known)}. " if known else ""


def _fact(name: str, value: object) -> str:
    match name:
        case "num_inference_steps":
            return f"{fact(value)} steps"
        case "guidance_scale":
            return f"guidance {fact(value)}"
        case "training_step":
            return f"training step {fact(value)}"
        case "count":
            return f"N = {fact(value)}"
    return fact(value)
