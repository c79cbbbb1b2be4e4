"""Results -> tables: pictures, depth and autoencoders like tables 1 to 3 of the paper, and sweeps."""

import re
from collections.abc import Iterable, Iterator

from ldm3d.config import flat
from ldm3d.report.blocks import Table
from ldm3d.report.caveats import (
    autoencoders_caveats,
    depth_caveats,
    images_caveats,
    newer_caveats,
    panoramas_caveats,
)
from ldm3d.report.metric_table import Line, Paper, metric_table
from ldm3d.results.evaluation import Evaluation, Result
from ldm3d.results.metrics import PANORAMA_DEPTH, SEAMS
from ldm3d.results.notation import either, fact
from ldm3d.results.paper import AUTOENCODERS, DEPTH, IMAGES, PANORAMAS
from ldm3d.results.protocol import protocol_of
from ldm3d.results.series import FACTS, SWEPT, VARIABLES, base, sweeps

ERRORS = ("abs_rel", "rmse_m", "delta1", "silog")  # of depth
RULES = ("", "_literal")  # for pixels that the alignment puts far away
NEWER = ("fd_dinov2", "cmmd", "precision", "recall", "edge_f1", "peer_edge_f1")  # metrics than the paper's
OF_PANORAMAS = (*PANORAMA_DEPTH, *SEAMS)
RECONSTRUCTION = ("rfid", "depth_abs_rel", "depth_abs_rel_floored", "depth_l1", "psnr_db", "ssim", "lpips")


def images_table(evaluation: Evaluation) -> Table | None:
    """Make a table like table 1 of the paper; None if there are no such results. Panoramas have another one."""
    around = _by_set(evaluation, OF_PANORAMAS)
    lines = [Line((name,), results) for name, results in _by_set(evaluation, SWEPT).items() if name not in around]
    paper = Paper(IMAGES, lambda row: (row.name,), images_caveats)
    return metric_table("Like table 1 of the paper", ("Pictures",), SWEPT, lines, evaluation.surrogate, paper)


def newer_table(evaluation: Evaluation) -> Table | None:
    """Make a table of the metrics that are newer than the paper; None if there are no such results."""
    found = _by_set(evaluation, NEWER)
    lines = [Line((name,), results) for name, results in found.items()]
    notes = tuple(newer_caveats([each for results in found.values() for each in results.values()]))
    return metric_table("Newer than the paper", ("Pictures",), NEWER, lines, evaluation.surrogate, notes=notes)


def depth_table(evaluation: Evaluation) -> Table | None:
    """Make a table like table 2, under both rules for pixels that the alignment puts far away."""
    names = [f"{who}{error}{rule}" for who in ("", "peer_") for error in ERRORS for rule in RULES]
    found = _by_set(evaluation, names)
    lines = [line for name, results in found.items() for line in _depth_lines(name, results)]
    paper = Paper(DEPTH, lambda row: ("MS-COCO", row.name, "not stated"), depth_caveats)
    labels = ("Pictures", "Depth of", "Far pixels")
    reference = _either((each for results in found.values() for each in results.values()), "names.reference")
    notes = ("Scale and shift of each picture's depth are fitted to the reference, in disparity.",)
    heading = f"Against {reference}, like table 2 of the paper"
    return metric_table(heading, labels, ERRORS, lines, evaluation.surrogate, paper, notes)


def panoramas_table(evaluation: Evaluation) -> Table | None:
    """Make a table of the sets that were measured as panoramas, above LDM3D-pano; None if there are none."""
    found = _by_set(evaluation, (*SWEPT, *OF_PANORAMAS, *(f"peer_{name}" for name in PANORAMA_DEPTH)))
    lines = [line for name, results in found.items() for line in _panorama_lines(name, results)]
    paper = Paper(PANORAMAS, lambda row: (row.name, "not stated"), panoramas_caveats)
    notes = (
        "Errors of depth are means by area on the sphere. Seam: the step across the seam over that between other "
        "columns; 1 is as good as any other place.",
    )
    labels = ("Panoramas", "Depth of")
    metrics = (*SWEPT, *OF_PANORAMAS)
    return metric_table("Like the card of LDM3D-pano", labels, metrics, lines, evaluation.surrogate, paper, notes)


def autoencoders_table(evaluation: Evaluation) -> Table | None:
    """Make a table like table 3."""
    lines = [Line((name,), results) for name, results in _by_set(evaluation, RECONSTRUCTION).items()]
    paper = Paper(AUTOENCODERS, lambda row: (row.name,), autoencoders_caveats)
    return metric_table(
        "Like table 3 of the paper", ("Autoencoder",), RECONSTRUCTION, lines, evaluation.surrogate, paper
    )


def sweep_table(evaluation: Evaluation) -> Table | None:
    """Tabulate the points that figures 4 to 7 are drawn from; None if nothing was swept."""
    swept = {
        result.pictures: result
        for metric in SWEPT
        for variable in VARIABLES
        for series in sweeps(evaluation, metric, variable)
        for result in series.results
        if result.run == evaluation.run
    }
    found = _by_set(evaluation, SWEPT)
    places = sorted(swept, key=lambda name: (_natural(base(swept[name])), _place(swept[name])))
    lines = [
        Line((base(swept[name]), *(fact(getattr(swept[name], each)) for each in FACTS)), found[name])
        for name in places
    ]
    labels = ("Pictures", "scheduler", *VARIABLES.values())
    return metric_table("Points of the figures above", labels, SWEPT, lines, evaluation.surrogate)


def _by_set(evaluation: Evaluation, metrics: Iterable[str]) -> dict[str, dict[str, Result]]:
    """Group the results of some metrics by set and metric, in the order of the results."""
    wanted, found = set(metrics), dict[str, dict[str, Result]]()
    for result in evaluation.results:
        if result.metric in wanted:
            found.setdefault(result.pictures, {})[result.metric] = result
    return found


def _depth_lines(name: str, results: dict[str, Result]) -> Iterator[Line]:
    """Yield the rows of a set: the samples' own depth and the peer's, under both rules each."""
    for who in ("", "peer_"):
        for rule in RULES:
            named = {error: results.get(f"{who}{error}{rule}") for error in ERRORS}
            given = {error: result for error, result in named.items() if result}
            if given:
                whose = _either(given.values(), "names.peer") if who else "the samples"
                cap = _either(given.values(), "settings.max_depth_m")
                yield Line((name, whose, "left out" if rule else f"at {cap} m"), given)


def _panorama_lines(name: str, results: dict[str, Result]) -> Iterator[Line]:
    """Yield the row of a set of panoramas, and that of the peer's depth in them."""
    if not results.keys() & {*OF_PANORAMAS}:
        return
    own = {metric: result for metric, result in results.items() if not metric.startswith("peer_")}
    yield Line((name, "the samples"), own)
    peer = {metric: results[f"peer_{metric}"] for metric in PANORAMA_DEPTH if f"peer_{metric}" in results}
    if peer:
        yield Line((name, _either(peer.values(), "names.peer")), peer)


def _either(results: Iterable[Result], setting: str) -> str:
    return either(fact(flat(protocol_of(each)).get(setting)) for each in results)


def _place(result: Result) -> tuple[float, ...]:
    return tuple(getattr(result, variable) or 0 for variable in VARIABLES)


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a sort key that puts `step2` before `step10`."""
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
