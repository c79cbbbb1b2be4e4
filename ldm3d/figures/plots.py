"""What is plotted: sweeps as figures 4 to 7 of the paper, and numbers over runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ldm3d.figures.drawing import Line, Panel, draw
from ldm3d.results.evaluation import Evaluation, Result
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
    """name: of its file. metric: of its first panel. title: what it shows. note: how to read it. panels: in a row."""

    name: str
    metric: str
    title: str
    note: str
    panels: tuple[Panel, ...]


def plots(evaluation: Evaluation) -> dict[str, bytes]:
    """PNGs by file name, of everything that there is to plot."""
    return {plot.name: draw(plot.panels) for plot in (*sweep_plots(evaluation), *history_plots(evaluation))}


def sweep_plots(evaluation: Evaluation) -> Iterator[Plot]:
    """Those of figures 4 to 7 for which two results or more differ in the variable alone."""
    for figure, metrics, variable in FIGURES:
        found = {metric: sweeps(evaluation, metric, variable) for metric in metrics}
        found = {metric: series for metric, series in found.items() if series}
        if found:
            names = " and ".join(METRICS[metric].title for metric in found)
            panels = tuple(_sweep(evaluation, metric, variable, series) for metric, series in found.items())
            yield Plot(
                f"figure-{figure}-{variable.replace('_', '-')}.png",
                next(iter(found)),
                f"{names} against {VARIABLES[variable]}",
                f"As figure {figure} of the paper. {_common([each for some in found.values() for each in some])}"
                "Bars are standard errors.",
                panels,
            )


def history_plots(evaluation: Evaluation) -> Iterator[Plot]:
    """One for each metric that an earlier run has of the same pictures by the same protocol."""
    found: dict[str, list[Track]] = {}
    for track in tracks(evaluation):
        found.setdefault(track.metric, []).append(track)
    for metric, some in found.items():
        yield Plot(
            f"history-{metric.replace('_', '-')}.png",
            metric,
            f"{METRICS[metric].title} over runs",
            f"The last {LAST} runs of the same protocol. Bars are standard errors.",
            (_history(evaluation, metric, some),),
        )


def _sweep(evaluation: Evaluation, metric: str, variable: str, found: Sequence[Series]) -> Panel:
    lines = tuple(
        Line(
            label,
            tuple(float(getattr(each, variable)) for each in series.results),
            tuple(each.value for each in series.results),
            tuple(each.stderr for each in series.results),
        )
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
        of = [each for each in track.results if each.run in places]
        lines.append(
            Line(
                track.pictures,
                tuple(float(places[each.run]) for each in of),
                tuple(each.value for each in of),
                tuple(each.stderr for each in of),
            )
        )
    title = _title(evaluation, metric, [each for track in found for each in track.results])
    return Panel(title, "run", tuple(lines), tuple(each.started[:16].replace("T", "\n") for each in shown))


def _title(evaluation: Evaluation, metric: str, results: Sequence[Result]) -> str:
    counts = (each.num_samples for each in results)
    return title(metric, counts, surrogate=metric in evaluation.surrogate, arrow=True)


def _labels(found: Sequence[Series]) -> list[str]:
    """By what tells series apart; of one alone, nothing."""
    telling = [name for name in found[0].facts if len({plain(each.facts[name]) for each in found}) > 1]
    return [", ".join(_fact(name, each.facts[name]) for name in telling) for each in found]


def _common(found: Sequence[Series]) -> str:
    """What all have in common, as a sentence."""
    first = found[0].facts
    same = [name for name in first if len({plain(each.facts.get(name)) for each in found}) == 1]
    known = [_fact(name, first[name]) for name in same if first[name] is not None]
    return f"Of {', '.join(known)}. " if known else ""


def _fact(name: str, value: object) -> str:
    if name == "num_inference_steps":
        return f"{fact(value)} steps"
    return {"guidance_scale": "guidance ", "training_step": "training step ", "count": "N = "}.get(name, "") + fact(
        value
    )
