"""The end of an evaluation: its numbers, its report, and the success marker that is written last.

    metrics/<run>.parquet     the numbers of a run, metrics/v1; those of earlier runs stay
    report.html, report.md    of the latest run; figures/ beside them
    _SUCCESS.json             run, started, worse, results, sets, left_out; of the latest run

A run is known by its settings, pictures and networks, so that the same evaluation again replaces itself.
"""

import math
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from ldm3d.config import EvaluateConfig, to_json
from ldm3d.figures.plots import plots
from ldm3d.report.markdown import markdown
from ldm3d.report.page import page
from ldm3d.results.evaluation import Evaluation, Result
from ldm3d.results.metrics import METRICS
from ldm3d.results.verdict import Verdict, overall, verdicts
from ldm3d.schema import conform
from pipelines.evaluation.figures import figures
from pipelines.evaluation.measure_parts import Measuring
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import metric_of
from pipelines.storage.folder import Folder, is_damage
from pipelines.storage.run import SUCCESS, own_marker
from pipelines.workers.resources import Pool

NUMBERS, REPORT, TWIN, FIGURES = "metrics", "report.html", "report.md", "figures"


def finish(work: Measuring, plan: EvaluatePlan, results: list[Result], pool: Pool) -> dict[str, Any]:
    """Write numbers and report, then `_SUCCESS.json`. Returns what is in it."""
    output, run, started = Folder(work.config.output), results[0].run, results[0].started
    output.delete_drafts()
    history, lost = earlier_results(output, run)
    found = Evaluation(
        title=work.config.report.title,
        run=run,
        started=started,
        results=results,
        history=history,
        left_out=plan.left_out + lost,
        about={each.label: _about(each) for each in plan.sets},
        images=figures(plan, pool),
        surrogate=_surrogates(plan),
    )
    judged = verdicts(results, history, work.config.report.tolerance)
    table = pa.Table.from_pylist([asdict(result) for result in results])
    output.write_tables(_file(run), [conform(table, "metrics/v1", work.provenance)])
    output.delete(FIGURES)
    drawn = plots(found)
    for name, content in (drawn | {f"{name}.png": image for name, image in found.images.items()}).items():
        output.write(f"{FIGURES}/{name}", content)
    output.write(TWIN, markdown(found, judged, drawn, FIGURES).encode())
    output.write(REPORT, page(found, judged, drawn).encode())
    summary = {
        "run": run,
        "started": started,
        "verdict": overall(judged),
        "worse": [
            _sentence(verdict) for verdict in judged if verdict.kind == "worse" and _gates(verdict, work.config)
        ],
        "results": [_plain(result) for result in results],
        "sets": {each.label: _about(each) for each in plan.sets},
        "left_out": plan.left_out + lost,
        "shown_with": to_json(work.config)["report"],
        "report": f"{output.url}/{REPORT}",
    }
    output.write_json(SUCCESS, summary)
    return summary


def finished_run(output: Folder, run: str, config: EvaluateConfig) -> dict[str, Any] | None:
    """What the success marker says; None where it is of another run or report, or something is missing."""
    summary = own_marker(output)
    if summary is None or summary.get("run") != run or summary.get("shown_with") != to_json(config)["report"]:
        return None
    return summary if all(output.exists(name) for name in (_file(run), REPORT, TWIN)) else None


def earlier_results(output: Folder, run: str) -> tuple[list[Result], list[str]]:
    """Numbers of other runs on this output, the oldest first; and a sentence for each file that cannot be read."""
    found, lost = [], []
    for name in output.sizes(NUMBERS, ".parquet"):
        try:
            rows = output.read_table(name).to_pylist() if name != _file(run) else []
            found += [Result(**row) for row in rows]
        except (OSError, pa.ArrowException, TypeError) as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            lost.append(f"The earlier run in {name}: the file is damaged, or of another version of this code.")
    return sorted(found, key=lambda result: result.started), lost


def earlier_start(output: Folder, run: str) -> str | None:
    """When the same run was started before."""
    try:
        return str(output.read_table(_file(run), columns=["started"])["started"][0].as_py())
    except (OSError, pa.ArrowException, IndexError):
        return None


def _gates(verdict: Verdict, config: EvaluateConfig) -> bool:
    """Whether a number that got worse is one that the exit code tells of."""
    return not config.report.gate or metric_of(verdict.result.metric) in config.report.gate


def _sentence(verdict: Verdict) -> str:
    """What got worse, for people."""
    now, before = verdict.result, verdict.before.value if verdict.before else math.nan
    return f"{now.metric} of {now.pictures} was {before:g}, is {now.value:g}"


def _file(run: str) -> str:
    return f"{NUMBERS}/{run}.parquet"


def _about(measured: Measured) -> dict[str, Any]:
    """What those who read the numbers have to know of a set."""
    known = {name: value for name, value in measured.pictures.about.items() if value is not None}
    size = {"size": list(measured.size)} if measured.size else {}
    return {"role": measured.role, "url": measured.pictures.url, "pictures": measured.pictures.rows} | size | known


def _surrogates(plan: EvaluatePlan) -> list[str]:
    """Metrics of networks that stand in for the published ones, by the names of results."""
    config = plan.config
    asked: set[str] = set(config.report.surrogate)
    if config.inception.network != "inception":
        asked |= {"fid", "kid", "inception_score"}
    if config.clip.model == "conse":
        asked.add("clip")
    measured = [name for name in METRICS if metric_of(name) in asked]
    of_networks = [name for name in measured if metric_of(name) != "autoencoder" or name in ("rfid", "lpips")]
    return list(dict.fromkeys([*of_networks, *(["rfid"] if config.inception.network != "inception" else [])]))


def _plain(result: Result) -> dict[str, Any]:
    """Without what is in the table of numbers alone, and as JSON has numbers."""
    left = {name: value for name, value in asdict(result).items() if name not in ("config", "run", "started")}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in left.items()
    }
