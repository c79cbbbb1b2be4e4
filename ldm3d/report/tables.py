"""Results -> tables: of pictures, depth and autoencoders as tables 1 to 3 of the paper, and of sweeps."""

from collections.abc import Iterable, Iterator

from ldm3d.report.evaluation import Evaluation
from ldm3d.report.metric_table import Line, Paper, metric_table
from ldm3d.report.notation import plain
from ldm3d.report.paper import AUTOENCODERS, DEPTH, IMAGES, autoencoders_differ, depth_differ, images_differ
from ldm3d.report.protocol import flat, protocol_of
from ldm3d.report.result import Result
from ldm3d.report.series import FACTS, SWEPT, VARIABLES, base, sweeps
from ldm3d.report.table import Table

ERRORS = ("abs_rel", "rmse_m", "delta1", "silog")  # of depth
RULES = ("", "_literal")  # for pixels beyond the reference's range
RECONSTRUCTION = ("rfid", "depth_abs_rel", "depth_abs_rel_floored", "depth_l1", "psnr_db", "ssim", "lpips")


def images_table(evaluation: Evaluation) -> Table | None:
    """As table 1 of the paper; None where there are no such results."""
    lines = [Line((name,), results) for name, results in _by_set(evaluation, SWEPT).items()]
    paper = Paper(IMAGES, lambda row: (row.name,), images_differ)
    return metric_table("Pictures", ("Pictures",), SWEPT, lines, evaluation.surrogate, paper)


def depth_table(evaluation: Evaluation) -> Table | None:
    """As table 2, under both rules for pixels that alignment puts far away."""
    names = [f"{who}{error}{rule}" for who in ("", "peer_") for error in ERRORS for rule in RULES]
    found = _by_set(evaluation, names)
    lines = [line for name, results in found.items() for line in _depth_lines(name, results)]
    paper = Paper(DEPTH, lambda row: ("MS-COCO", row.name, "not stated"), depth_differ)
    labels = ("Pictures", "Depth of", "Far pixels")
    reference = _names((result for results in found.values() for result in results.values()), "reference")
    notes = ("Scale and shift of each picture's depth are fitted to the reference, in disparity.",)
    heading = f"Depth, with respect to {reference}"
    return metric_table(heading, labels, ERRORS, lines, evaluation.surrogate, paper, notes)


def autoencoders_table(evaluation: Evaluation) -> Table | None:
    """As table 3."""
    lines = [Line((name,), results) for name, results in _by_set(evaluation, RECONSTRUCTION).items()]
    paper = Paper(AUTOENCODERS, lambda row: (row.name,), autoencoders_differ)
    return metric_table("Autoencoders", ("Autoencoder",), RECONSTRUCTION, lines, evaluation.surrogate, paper)


def sweep_table(evaluation: Evaluation) -> Table | None:
    """The points of grids, of which figures 4 to 7 are drawn; None where nothing was swept."""
    swept = {
        result.pictures: result
        for metric in SWEPT
        for variable in VARIABLES
        for series in sweeps(evaluation, metric, variable)
        for result in series.results
        if result.run == evaluation.run
    }
    found = _by_set(evaluation, SWEPT)
    places = sorted(swept, key=lambda name: (base(swept[name]), *(getattr(swept[name], v) or 0 for v in VARIABLES)))
    lines = [
        Line((base(swept[name]), *(plain(getattr(swept[name], fact)) for fact in FACTS)), found[name])
        for name in places
    ]
    labels = ("Pictures", "scheduler", *VARIABLES.values())
    return metric_table("Sweeps", labels, SWEPT, lines, evaluation.surrogate)


def _by_set(evaluation: Evaluation, metrics: Iterable[str]) -> dict[str, dict[str, Result]]:
    """Results of some metrics, by set and metric, in the order of the results."""
    wanted, found = set(metrics), dict[str, dict[str, Result]]()
    for result in evaluation.results:
        if result.metric in wanted:
            found.setdefault(result.pictures, {})[result.metric] = result
    return found


def _depth_lines(name: str, results: dict[str, Result]) -> Iterator[Line]:
    """Of the samples' own depth and the peer's, each by both rules."""
    for who in ("", "peer_"):
        for rule in RULES:
            named = {error: results.get(f"{who}{error}{rule}") for error in ERRORS}
            given = {error: result for error, result in named.items() if result}
            if given:
                whose = _names(given.values(), "peer") if who else "the samples"
                cap = _either(flat(protocol_of(each)).get("settings.max_depth_m") for each in given.values())
                yield Line((name, whose, "left out" if rule else f"at {cap} m"), given)


def _names(results: Iterable[Result], network: str) -> str:
    return _either(flat(protocol_of(each)).get(f"names.{network}") for each in results)


def _either(values: Iterable[object]) -> str:
    return " or ".join(dict.fromkeys("?" if value is None else plain(value) for value in values))
