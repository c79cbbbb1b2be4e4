"""The generation stage: captions -> pictures with depth of a trained model -> committed shards, on Ray Data.

    check    captions, models, output, cluster, a batch on a worker   (captions_input, generate_plan, trial)
    plan     which samples are in which shard                         (generate_plan)
    stream   shard -> ShardGenerator                                  (generate_shards)
    finish   audit, card, pictures, success marker                    (audit_samples, finish_samples)

Killed anywhere and run again, it does what is left. docs/generate.md says what is promised.
"""

import gc
import logging
from typing import Any

import ray

from ldm3d.config import GenerateConfig, to_json
from pipelines.samples.audit import audit_samples
from pipelines.samples.finish import finish, finished_summary
from pipelines.samples.generate_shards import CONTRACTS, Generating, ShardGenerator
from pipelines.samples.plan import GeneratePlan, try_sampler
from pipelines.storage import run as preflight
from pipelines.storage.folder import Folder
from pipelines.storage.shards import check_owner
from pipelines.workers.calls import try_on_worker
from pipelines.workers.resources import Pool, cluster_size, fit_actors
from pipelines.workers.session import connect
from pipelines.workers.stream_shards import work_off

logger = logging.getLogger(__name__)


def generate(config: GenerateConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Draw samples for captions, or do what is left of it.

    Args:
        config: everything; see `ldm3d.config`.
        dry_run: check and print the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json` (`pipelines.samples.finish`); for a dry run what is known of it.

    Raises:
        ValueError: the configuration, captions, models, output or cluster will not do; nothing was started.
        AuditError: the output does not hold every sample exactly once.
        TakenOverError: another run was started on the same output.
    """
    plan = GeneratePlan.of(config)
    config, output = plan.config, Folder(plan.config.output)
    identity = plan.identity()
    begun = preflight.check_output(output, identity)
    if begun and (summary := finished_summary(output, plan.shards)):
        logger.info("%s is finished: %d samples", output.url, summary["rows_kept"])
        return summary
    connect(config.cluster)
    gc.collect()  # to which Ray Data leaves the actors of a run of this process that failed, and their GPUs
    pool = fit_actors("generate", config.cluster, *cluster_size())
    models, facts = _shared(plan, pool)
    logger.info("%s; %s", pool, facts)
    if dry_run:
        rows = sum(shard.rows for shard in plan.shards)
        return {
            "rows_read": rows,
            "captions": plan.captions.about(),
            "resources": str(pool),
            **facts,
            "config": to_json(config),
        }
    run = preflight.begin(output, identity, to_json(config), {})
    plan.save()
    provenance = {"producer": "generate", "config": identity, "code": preflight.code_version()}
    work = Generating(config, plan.grid, models, pool.cpus, run, provenance)
    work_off(ShardGenerator, work, plan.shards, CONTRACTS, pool, doing="sampling")
    records = audit_samples(plan.shards, plan.files(), plan.grid, output, run)
    check_owner(output, run)
    summary = finish(work, plan, records, {"image_size": facts["image_size"]})
    rejected = summary["rows_read"] - summary["rows_kept"]
    logger.info("%s: %d samples, %d rejected", output.url, summary["rows_kept"], rejected)
    return summary


def _shared(plan: GeneratePlan, pool: Pool) -> tuple[dict[str, ray.ObjectRef], dict[str, Any]]:
    """Models in the object store, by fingerprint, as workers need not reach the places that they are from; and what is
    known of their samples. Each is tried on a worker.

    Raises:
        ValueError: one does not draw, or they draw pictures of different sizes.
    """
    shared, tried = {}, {}
    for generator in plan.generators:
        model = ray.put(plan.open(generator))
        patience_s, name = plan.config.cluster.no_progress_timeout_s, f"the model {generator.name}".rstrip()
        tried[generator.name] = try_on_worker(
            try_sampler, model, plan.config, pool=pool, patience_s=patience_s, name=name
        )
        shared[generator.fingerprint] = model
    sizes = {name: facts["image_size"] for name, facts in tried.items()}
    if len({tuple(size) for size in sizes.values()}) > 1:
        raise ValueError(
            f"models draw pictures of several sizes, {sizes}: give --sampling.height and --sampling.width"
        )
    return shared, next(iter(tried.values()))
