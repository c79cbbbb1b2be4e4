"""The evaluation stage: pictures -> what networks see in them -> numbers with errors, a report, a verdict.

    check    subjects, settings, output, networks on a worker            (evaluation/subjects, plan, networks)
    stream   part of a set -> PartMeasurer, committed rows of features   (measure_parts)
    sum      rows -> sums on the cluster -> metrics/v1                   (features, scores, results)
    report   tables, plots, samples; what changed since earlier runs     (finish, ldm3d.report)

An output serves many runs: features are computed once per set and network, and each run's numbers stay for later runs
to be compared with. Kill it at any point and run the same command again: it resumes where it stopped. See
docs/evaluate.md.
"""

import hashlib
import logging
import time
from typing import Any

from ldm3d.config import EvaluateConfig, to_json
from ldm3d.fingerprint import fingerprint_of
from pipelines.evaluation.earlier_runs import check_baseline, earlier_start
from pipelines.evaluation.finish import finish, finished_run
from pipelines.evaluation.measure_parts import MeasureJob, measure_parts
from pipelines.evaluation.networks import try_networks
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

NOT_IN_NAME = ("batch_size", "keys")  # changes no number; is identified by its content
IDENTITY = {"stage": "evaluate"}  # of an output, which serves any number of evaluations


def evaluate(config: EvaluateConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Measure sets of pictures and autoencoders, or resume where an earlier run stopped.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything and return the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json` (`pipelines.evaluation.finish`); for a dry run what is known so far.

    Raises:
        ValueError: invalid configuration, pictures, networks, output or cluster. Raised before any work starts.
        AuditError: the output holds features of other pictures.
        TakenOverError: another run was started on the same output.
        ray.exceptions.RayTaskError: a task failed; its cause says why.
    """
    # Not the skeleton of `run_stage`: an output serves many runs, and a run's name is known only on a worker.
    config = with_absolute_paths(config)
    output = Folder(config.output)
    check_output(output, IDENTITY)
    check_baseline(output, config)
    plan = EvaluatePlan.of(config)
    connect(config.cluster, dry_run=dry_run)
    pool = fit_actors("measure", config.cluster, *cluster_size())
    patience_s = config.cluster.no_progress_timeout_s
    tried = try_on_worker(
        try_networks, plan.networks, config, pool=pool, patience_s=patience_s, name="the networks that measure"
    )
    plan = plan.with_networks(tried["fingerprints"], tried["judges"])
    run, started = run_of(plan), time.strftime("%Y-%m-%dT%H:%M:%S%z")
    logger.info("%s on %s; run %s", pool, tried["device"], run)
    if dry_run:
        sets = {each.label: {"pictures": each.pictures.rows, "role": each.role} for each in plan.subjects}
        facts = {"config": to_json(config), "resources": str(pool), "device": tried["device"]}
        return {**facts, "sets": sets, "left_out": plan.left_out, "run": run}
    if summary := finished_run(output, run, config):
        logger.info("%s: run %s is finished", output.url, run)
        return summary
    owner = begin(output, IDENTITY, to_json(config))
    measure_parts(MeasureJob(config, pool.cpus, owner, plan.fingerprints), plan.tasks(), pool)
    numbers = Results(plan, run, earlier_start(output, run) or started)
    results = list(numbers.rows())
    check_owner(output, owner)
    return finish(numbers.cache, results, pool, {"producer": "evaluate", "code": code_version()})


def run_of(plan: EvaluatePlan) -> str:
    """Name a run by everything that decides its numbers, so that the same numbers have the same name."""
    sets = {each.label: [each.pictures.fingerprint, each.look(plan.config)] for each in plan.subjects}
    settings = to_json(plan.config)
    names = ["metrics", "pictures", "inception", "clip", "depth"]
    names += ["dinov2"] if "fd_dinov2" in plan.config.metrics else []  # runs without it keep the name they always had
    deciding = {name: {k: v for k, v in _dict(settings[name]).items() if k not in NOT_IN_NAME} for name in names}
    keys = hashlib.sha256(plan.keys.tobytes()).hexdigest() if plan.keys is not None else None
    return fingerprint_of(sets, plan.fingerprints, plan.autoencoders, deciding, keys)[:16]


def _dict(value: Any) -> dict[str, Any]:
    """Give a section of the settings as a dict, also where it is a single value."""
    return value if isinstance(value, dict) else {"": value}
