"""The latents stage: a finished corpus -> posteriors of a frozen autoencoder -> committed shards, on Ray Data.

    check    corpus and autoencoder, output, cluster, a batch on a worker    (encode_plan, trial)
    stream   shard -> ShardEncoder                                           (encode_shards)
    finish   audit, scale, card, picture, success marker                     (audit_latents, finish_latents)

Killed anywhere and run again, it does what is left. docs/training.md says what is promised.
"""

import gc
import logging
from typing import Any

import ray

from ldm3d.config import LatentsConfig, to_json
from pipelines.latents.audit import audit_latents
from pipelines.latents.encode_shards import CONTRACTS, Encoding, ShardEncoder
from pipelines.latents.finish import finish, finished_summary
from pipelines.latents.plan import EncodePlan, try_encoder
from pipelines.storage import run as preflight
from pipelines.storage.folder import Folder
from pipelines.storage.shards import check_owner
from pipelines.workers.calls import try_on_worker
from pipelines.workers.resources import cluster_size, fit_actors
from pipelines.workers.session import connect
from pipelines.workers.stream_shards import work_off

logger = logging.getLogger(__name__)


def encode_latents(config: LatentsConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Encode a corpus, or do what is left of it.

    Args:
        config: everything; see `ldm3d.config`.
        dry_run: check and print the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json` (`pipelines.latents.finish`); for a dry run what is known of it.

    Raises:
        ValueError: the configuration, corpus, autoencoder, output or cluster will not do; nothing was started.
        AuditError: the output does not hold every row exactly once.
        TakenOverError: another run was started on the same output.
    """
    plan = EncodePlan.of(config)
    config, output = plan.config, Folder(plan.config.output)
    encoders = {"autoencoder": plan.about_autoencoder(), "text": plan.about_text()}
    identity = config.identity() | plan.corpus.identity | {"stage": "encode_latents"}
    identity |= {name: about and about["fingerprint"] for name, about in encoders.items()}
    begun = preflight.check_output(output, identity)
    if begun and (summary := finished_summary(output, plan.corpus.shards)):
        logger.info("%s is finished: %d pictures", output.url, summary["rows_kept"])
        return summary
    connect(config.cluster)
    gc.collect()  # to which Ray Data leaves the actors of a run of this process that failed, and their GPUs
    pool = fit_actors("encode", config.cluster, *cluster_size())
    weights = ray.put(plan.vae)  # the workers need not reach the place that they are from
    text = plan.text and ray.put(plan.text)
    patience_s = config.cluster.no_progress_timeout_s
    facts = try_on_worker(
        try_encoder, weights, config.encode, plan.image_size, pool=pool, patience_s=patience_s, name="the autoencoder"
    )
    logger.info("%s; %s", pool, facts)
    if dry_run:
        return {"rows_read": plan.rows, "resources": str(pool), **facts, "config": to_json(config)}
    run = preflight.begin(output, identity, to_json(config), {})
    code = preflight.code_version()
    provenance = {"producer": "encode_latents", "config": identity, "code": code, **encoders}
    work = Encoding(config, weights, text, plan.image_size, tuple(facts["latent_shape"]), pool.cpus, run, provenance)
    work_off(ShardEncoder, work, plan.corpus.shards, CONTRACTS, pool, doing="encoding")
    records = audit_latents(plan.corpus.shards, config, run)
    check_owner(output, run)
    summary = finish(work, plan.corpus.shards, records, pool)
    logger.info("%s: %d pictures, %d rejected", output.url, summary["rows_kept"], plan.rows - summary["rows_kept"])
    return summary
