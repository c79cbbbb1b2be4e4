"""The end of an evaluation: its numbers, its report, and the success marker that is written last.

    metrics/<run>.parquet     the numbers of a run, metrics/v1; those of earlier runs stay
    report.html, report.md    the report of the latest run; figures/ beside them
    _SUCCESS.json             run, started, worse, results, sets, left_out of the latest run

A run is identified by its settings, pictures and networks, so that repeating an evaluation replaces its own files.
"""

import math
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from ldm3d.config import EvaluateConfig, to_json
from ldm3d.figures.plots import plots
from ldm3d.report.document import document
from ldm3d.report.markdown import markdown
from ldm3d.report.page import page
from ldm3d.results.evaluation import Evaluation, Result
from ldm3d.results.metrics import METRICS
from ldm3d.results.verdict import Verdict, overall, pinned, verdicts
from ldm3d.schema import conform
from pipelines.evaluation.earlier_runs import earlier_results, numbers_of
from pipelines.evaluation.feature_cache import FeatureCache
from pipelines.evaluation.figures import figures
from pipelines.evaluation.paired import MEASURED, Pairs, measured
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import metric_of
from pipelines.evaluation.subjects import Subject
from pipelines.evaluation.title import title_of
from pipelines.storage.folder import Folder
from pipelines.storage.run import SUCCESS, own_marker
from pipelines.workers.resources import Pool

REPORT, TWIN, FIGURES = "report.html", "report.md", "figures"


def finish(features: FeatureCache, results: list[Result], pool: Pool, provenance: dict[str, Any]) -> dict[str, Any]:
    """Write numbers and report, then `_SUCCESS.json`. Returns its content."""
    plan = features.plan
    config, output = plan.config, Folder(plan.config.output)
    run, started = results[0].run, results[0].started
    output.delete_drafts()
    history, lost = earlier_results(output, run)
    about = {each.label: _about(each) for each in plan.subjects}
    found = Evaluation(
        title=title_of(config),
        run=run,
        started=started,
        results=results,
        history=history,
        baseline=config.report.baseline,
        left_out=plan.left_out + lost,
        about=about,
        images=figures(plan, pool),
        surrogate=_surrogates(plan),
    )
    tolerance, pair = config.report.tolerance, Pairs(features, results, history)
    latest = verdicts(results, history, tolerance, pair)
    of_baseline = [each for each in history if each.run == found.baseline]
    judged = pinned(verdicts(results, of_baseline, tolerance, pair), latest) if of_baseline else latest
    table = pa.Table.from_pylist([asdict(result) for result in results])
    output.write_tables(numbers_of(run), [conform(table, "metrics/v1", provenance | {MEASURED: measured(plan)})])
    _write_report(output, found, judged, latest if of_baseline else [])
    summary = {
        "run": run,
        "started": started,
        "verdict": overall(judged),
        "worse": [_sentence(each, found) for each in judged if each.kind == "worse" and _gates(each, config)],
        "results": [_plain(result) for result in results],
        "sets": about,
        "left_out": plan.left_out + lost,
        "surrogate": found.surrogate,
        "shown_with": to_json(config)["report"],
        "report": f"{output.url}/{REPORT}",
    }
    output.write_json(SUCCESS, summary)
    return summary


def _write_report(output: Folder, found: Evaluation, judged: list[Verdict], latest: list[Verdict]) -> None:
    output.delete(FIGURES)
    drawn = plots(found)
    for name, content in (drawn | {f"{name}.png": image for name, image in found.images.items()}).items():
        output.write(f"{FIGURES}/{name}", content)
    report = document(found, judged, drawn, latest)
    output.write(TWIN, markdown(report, FIGURES).encode())
    output.write(REPORT, page(report).encode())


def finished_run(output: Folder, run: str, config: EvaluateConfig) -> dict[str, Any] | None:
    """Read the success marker; None if it is another run's or report's, or a file is missing."""
    summary = own_marker(output)
    if summary is None or summary.get("run") != run:
        return None
    if {"baseline": None} | summary.get("shown_with", {}) != to_json(config)["report"]:  # older versions had none
        return None
    return summary if all(output.exists(name) for name in (numbers_of(run), REPORT, TWIN)) else None


def _gates(verdict: Verdict, config: EvaluateConfig) -> bool:
    """Say whether a number that got worse affects the exit code."""
    return not config.report.gate or metric_of(verdict.result.metric) in config.report.gate


def _sentence(verdict: Verdict, found: Evaluation) -> str:
    """Say in words how a number got worse."""
    now, before = verdict.result, verdict.before.value if verdict.before else math.nan
    where = " in the baseline" if verdict.before and verdict.before.run == found.baseline else ""
    return f"{now.metric} of {now.pictures} was {before:g}{where}, is {now.value:g}"


def _about(subject: Subject) -> dict[str, Any]:
    """Return what readers of the numbers need to know about a subject."""
    known = {name: value for name, value in subject.pictures.about.items() if value is not None}
    size = {"size": list(subject.size)} if subject.size else {}
    return {"role": subject.role, "place": subject.pictures.url, "pictures": subject.pictures.rows} | size | known


def _surrogates(plan: EvaluatePlan) -> list[str]:
    """Return the metrics, as results name them, whose network stands in for the published one."""
    config = plan.config
    asked: set[str] = set(config.report.surrogate)
    inception_stands_in = config.inception.network != "inception"
    if inception_stands_in:
        asked |= {"fid", "kid", "inception_score", "precision_recall"}
    if config.clip.model == "conse":
        asked |= {"clip", "cmmd"}
    # PSNR and the like of autoencoders come from no network
    of_networks = [name for name in METRICS if metric_of(name) != "autoencoder" or name in ("rfid", "lpips")]
    return [name for name in of_networks if metric_of(name) in asked or (name == "rfid" and inception_stands_in)]


def _plain(result: Result) -> dict[str, Any]:
    """Return the fields of a result that the marker holds, with numbers that JSON can hold."""
    left = {name: value for name, value in asdict(result).items() if name not in ("config", "run", "started")}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in left.items()
    }
