"""The evaluation stage: pictures -> what networks see in them -> numbers with errors, a report, a verdict.

    check    sets of pictures, settings, output, networks on a worker     (picture_sets, evaluate_plan, measures)
    stream   part of a set -> PartMeasurer, committed rows of features    (measure_parts)
    sum      rows -> sums on the cluster -> metrics/v1                    (feature_rows, set_scores, evaluate_results)
    report   tables, plots, samples; what changed since earlier runs      (finish_evaluation, ldm3d.report)

An output is kept for many runs: features are computed once for a set and a network, and each run's numbers stay for
the next to be compared with. Killed anywhere and run again, it does what is left. docs/evaluate.md says the rest.
"""

import hashlib
import logging
import time
from typing import Any

from ldm3d.config import EvaluateConfig, to_json
from ldm3d.fingerprint import fingerprint_of
from pipelines.evaluation.finish import earlier_start, finish, finished_run
from pipelines.evaluation.measure_parts import Measuring, measure_parts
from pipelines.evaluation.networks import try_measures
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.results import Results
from pipelines.storage.folder import Folder
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import begin, check_output, code_version
from pipelines.storage.shards import check_owner
from pipelines.workers.calls import try_on_worker
from pipelines.workers.resources import cluster_size, fit_actors
from pipelines.workers.session import connect

logger = logging.getLogger(__name__)

PACING = ("batch_size", "keys")  # change no number, or are known by their content
IDENTITY = {"stage": "evaluate"}  # of an output, which takes any number of evaluations


def evaluate(config: EvaluateConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Measure sets of pictures and autoencoders, or do what is left of it.

    Args:
        config: everything; see `ldm3d.config`.
        dry_run: check and print the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json` (`pipelines.evaluation.finish`); for a dry run what is known of it.

    Raises:
        ValueError: the configuration, pictures, networks, output or cluster will not do; nothing was started.
        AuditError: the output holds features of something else.
        TakenOverError: another run was started on the same output.
    """
    plan = EvaluatePlan.of(with_absolute_paths(config))
    config, output = plan.config, Folder(plan.config.output)
    check_output(output, IDENTITY)
    connect(config.cluster)
    pool = fit_actors("measure", config.cluster, *cluster_size())
    patience_s = config.cluster.no_progress_timeout_s
    tried = try_on_worker(
        try_measures, plan.measures, config, pool=pool, patience_s=patience_s, name="the networks that measure"
    )
    fingerprints, started = tried["fingerprints"], time.strftime("%Y-%m-%dT%H:%M:%S%z")
    run, known = _run_of(plan, fingerprints), {"resources": str(pool), "device": tried["device"]}
    logger.info("%s on %s; run %s", pool, tried["device"], run)
    if dry_run:
        sets = {each.label: {"pictures": each.pictures.rows, "role": each.role} for each in plan.sets}
        return {"sets": sets, "left_out": plan.left_out, "run": run, **known, "config": to_json(config)}
    if summary := finished_run(output, run, config):
        logger.info("%s: run %s is finished", output.url, run)
        return summary
    owner = begin(output, IDENTITY, to_json(config))
    provenance = {"producer": "evaluate", "code": code_version()}
    work = Measuring(config, pool.cpus, owner, provenance, fingerprints)
    measure_parts(work, plan.tasks(fingerprints), pool)
    results = Results(plan, fingerprints, tried["networks"], run, earlier_start(output, run) or started)
    rows = list(results.rows())
    check_owner(output, owner)
    return finish(work, plan, rows, pool)


def _run_of(plan: EvaluatePlan, fingerprints: dict[str, str]) -> str:
    """A name that the same numbers have again, however the report shows them."""
    sets = {each.label: [each.pictures.fingerprint, each.look(plan.config)] for each in plan.sets}
    settings = to_json(plan.config)
    names = ("metrics", "pictures", "inception", "clip", "depth")
    deciding = {name: {k: v for k, v in _dict(settings[name]).items() if k not in PACING} for name in names}
    keys = hashlib.sha256(plan.keys.tobytes()).hexdigest() if plan.keys is not None else None
    return fingerprint_of(sets, fingerprints, plan.autoencoders, deciding, keys)[:16]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"": value}
