"""An evaluation and its verdicts -> a document: the verdict first, then numbers, then how they were made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ldm3d.figures.plots import Plot, history_plots, plots, sweep_plots
from ldm3d.report.blocks import Block, Cell, Document, Fold, Heading, Items, Paragraph, Picture, Table, row
from ldm3d.report.changes import beside, changes
from ldm3d.report.provenance import protocols
from ldm3d.report.tables import (
    autoencoders_table,
    depth_table,
    images_table,
    newer_table,
    panoramas_table,
    sweep_table,
)
from ldm3d.results.evaluation import Evaluation
from ldm3d.results.grouped import grouped
from ldm3d.results.history import Track, runs_of, tracks
from ldm3d.results.metrics import METRICS
from ldm3d.results.notation import plain, title, with_error
from ldm3d.results.paper import AUTOENCODERS, DEPTH, IMAGES, PANORAMAS
from ldm3d.results.verdict import Verdict

PUBLISHED = {metric for row in (*IMAGES, *DEPTH, *PANORAMAS, *AUTOENCODERS) for metric in row.values}
CAPTIONS = {
    "samples": "Samples and their depth, like figure 3 of the paper: near is bright, each map over its own range.",
    "depth": "Depth in metres, like figure 8 of the paper: near is bright. That of the sample, and that of a depth "
    "model which sees its picture, have no unit: each is scaled and shifted to fit the reference.",
}


def document(
    evaluation: Evaluation,
    verdicts: Sequence[Verdict],
    drawn: Mapping[str, bytes] | None = None,
    latest: Sequence[Verdict] = (),
) -> Document:
    """Assemble the report.

    Args:
        drawn: the result of `plots`, if it has been computed already.
        latest: verdicts against the run before, if the others are against a baseline.
    """
    drawn = plots(evaluation) if drawn is None else drawn
    blocks = [
        *changes(verdicts, evaluation.surrogate, evaluation.baseline),
        *beside(latest, evaluation.surrogate),
        *_left_out(evaluation),
        *_section(
            "Pictures",
            _tables(images_table(evaluation)),
            _tables(newer_table(evaluation)),
            _images(evaluation, "samples"),
        ),
        *_section("Sweeps", _plots(sweep_plots(evaluation), drawn), _tables(sweep_table(evaluation))),
        *_section("Depth", _tables(depth_table(evaluation)), _images(evaluation, "depth")),
        *_section("Panoramas", _tables(panoramas_table(evaluation))),
        *_section("Autoencoders", _tables(autoencoders_table(evaluation))),
        *_section(
            "Other pictures", _images(evaluation, *(name for name in evaluation.images if name not in CAPTIONS))
        ),
        *_section("History", _history_plots(evaluation, drawn), _history(evaluation)),
        *_section("What was measured", _about(evaluation)),
        *_section("Protocol", protocols(evaluation)),
    ]
    return Document(evaluation.title, f"Run {evaluation.run}, started {evaluation.started}", tuple(blocks))


def _section(heading: str, *parts: Iterator[Block]) -> list[Block]:
    """Put a heading above the blocks; no heading without blocks."""
    blocks = [block for part in parts for block in part]
    return [Heading(heading), *blocks] if blocks else []


def _left_out(evaluation: Evaluation) -> Iterator[Block]:
    if evaluation.left_out:
        yield Items(tuple(evaluation.left_out), "Not computed")


def _tables(table: Table | None) -> Iterator[Block]:
    if table:
        yield table


def _images(evaluation: Evaluation, *names: str) -> Iterator[Block]:
    for name in names:
        if name in evaluation.images:
            caption = CAPTIONS.get(name, name)
            yield Picture(f"{name}.png", evaluation.images[name], caption, caption)


def _plots(found: Iterable[Plot], drawn: Mapping[str, bytes]) -> Iterator[Block]:
    for plot in found:
        caption = f"{plot.title}. {plot.note}"
        yield Picture(plot.name, drawn[plot.name], plot.title, caption, small=len(plot.panels) == 1)


def _history_plots(evaluation: Evaluation, drawn: Mapping[str, bytes]) -> Iterator[Block]:
    """Show the plots of the paper's metrics, the others in a fold."""
    found = list(history_plots(evaluation))
    shown = [plot for plot in found if plot.metric in PUBLISHED]
    yield from _plots(shown, drawn)
    if more := [plot for plot in found if plot not in shown]:
        yield Fold(f"Other metrics over runs ({len(more)})", tuple(_plots(more, drawn)))


def _history(evaluation: Evaluation) -> Iterator[Block]:
    """Yield a table per set of pictures with a row per run, newest first."""
    for name, found in grouped(tracks(evaluation), lambda track: track.pictures).items():
        yield Fold(f"{name}: {len(found)} numbers over runs", (_history_table(evaluation, found),))


def _history_table(evaluation: Evaluation, found: Sequence[Track]) -> Table:
    runs = runs_of(found, evaluation.run)[::-1]
    columns = [
        title(
            track.metric, (each.num_samples for each in track.results), surrogate=track.metric in evaluation.surrogate
        )
        for track in found
    ]
    rows = [row(each.started, each.run, *(_at(track, each.run) for track in found)) for each in runs]
    return Table(("Started", "Run", *columns), tuple(rows), labels=2)


def _at(track: Track, run: str) -> Cell:
    found = next((each for each in track.results if each.run == run), None)
    return Cell(with_error(found.value, found.stderr, METRICS[track.metric].digits)) if found else Cell()


def _about(evaluation: Evaluation) -> Iterator[Block]:
    """Tabulate the facts about each set; those that all share are said once, above the table."""
    facts = list(dict.fromkeys(fact for about in evaluation.about.values() for fact in about))
    written = {fact: [plain(about.get(fact)) for about in evaluation.about.values()] for fact in facts}
    common = {fact: values[0] for fact, values in written.items() if len(values) > 1 and len({*values}) == 1}
    if common:
        yield Paragraph(f"All sets: {'; '.join(f'{name} {value}' for name, value in common.items())}.")
    if facts := [fact for fact in facts if fact not in common]:
        names, columns = list(evaluation.about), [written[fact] for fact in facts]
        if len(facts) > len(names):  # lying down it would be wider than a page
            rows = [row(fact, *values) for fact, values in zip(facts, columns, strict=True)]
            yield Table(("", *names), tuple(rows), labels=len(names) + 1)
        else:
            rows = [row(name, *values) for name, *values in zip(names, *columns, strict=True)]
            yield Table(("Set", *facts), tuple(rows), labels=len(facts) + 1)
    elif evaluation.about:
        yield Paragraph(", ".join(evaluation.about))
