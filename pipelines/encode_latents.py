"""The latents stage: a finished corpus -> posteriors of a frozen autoencoder -> committed shards, on Ray Data.

    check    corpus and autoencoder, output, cluster, a batch on a worker    (plan)
    stream   shard -> ShardEncoder                                           (encode_shards)
    finish   audit, scale, card, picture, success marker                     (audit, finish)

Kill it at any point and run the same command again: it resumes where it stopped. docs/training.md says what is
promised. The parts are in `pipelines/latents/`.
"""

import logging
from typing import Any

from ldm3d.config import LatentsConfig
from pipelines.latents.audit import audit_of
from pipelines.latents.encode_shards import FOLDERS, Encoding, ShardEncoder
from pipelines.latents.finish import finish, finished_summary
from pipelines.latents.plan import EncodePlan, try_encoder
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import code_version
from pipelines.storage.shards import check_owner, require_kept
from pipelines.workers.calls import shared, try_on_worker
from pipelines.workers.resources import cluster_size, fit_actors
from pipelines.workers.stage import Stage, run_stage
from pipelines.workers.stream_shards import process_shards

logger = logging.getLogger(__name__)


def encode_latents(config: LatentsConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Encode a corpus, or resume where an earlier run stopped.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything and return the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json` (`pipelines.latents.finish`); for a dry run what is known so far.

    Raises:
        ValueError: invalid configuration, corpus, autoencoder, output or cluster. Raised before any work starts.
        AuditError: the output does not hold every row exactly once.
        TakenOverError: another run was started on the same output.
        ray.exceptions.RayTaskError: a task failed; its cause says why.
    """
    return run_stage(_EncodeLatents(EncodePlan.of(with_absolute_paths(config))), dry_run=dry_run)


class _EncodeLatents(Stage):
    def __init__(self, plan: EncodePlan) -> None:
        self.plan, self.config = plan, plan.config
        self.encoders = {"autoencoder": plan.about_autoencoder(), "text": plan.about_text()}
        fingerprints = {name: about["fingerprint"] if about else None for name, about in self.encoders.items()}
        self.identity = self.config.identity() | plan.corpus.identity | {"stage": "encode_latents"} | fingerprints

    def finished(self, *, dry_run: bool) -> dict[str, Any] | None:
        summary = finished_summary(self.output, self.plan.corpus.shards)
        if summary:
            logger.info("%s is finished: pictures: %d", self.output.url, summary["rows_kept"])
        return summary

    def prepare(self, *, begun: bool) -> dict[str, Any]:
        self.pool = fit_actors("encode", self.config.cluster, *cluster_size())
        self.weights = shared(self.plan.vae)
        self.text = shared(self.plan.text) if self.plan.text else None
        arguments = self.weights, self.config.encode, self.plan.image_size
        patience_s = self.config.cluster.no_progress_timeout_s
        facts = try_on_worker(try_encoder, *arguments, pool=self.pool, patience_s=patience_s, name="the autoencoder")
        logger.info("%s", self.pool.with_facts(facts))
        self.latent_shape = tuple(facts["latent_shape"])
        return {"resources": str(self.pool), **facts}

    def extent(self) -> dict[str, Any]:
        return {"rows_read": self.plan.rows}

    def work(self, owner: str) -> dict[str, Any]:
        plan, shards, output = self.plan, self.plan.corpus.shards, self.output
        provenance = {"producer": "encode_latents", "config": self.identity, "code": code_version(), **self.encoders}
        job = Encoding(
            self.config,
            self.weights,
            self.text,
            plan.image_size,
            self.latent_shape,
            self.pool.cpus,
            owner,
            provenance,
        )
        process_shards(ShardEncoder, job, shards, FOLDERS, self.pool, doing="encoding")
        records = audit_of(self.config).run(shards, owner)
        check_owner(output, owner)
        require_kept(
            records.values(), "Look at the details in rejects/; give an empty --output and another model or corpus"
        )
        summary = finish(job, shards, records, self.pool)
        kept = summary["rows_kept"]
        logger.info("%s: pictures: %d, rejected: %d", output.url, kept, plan.rows - kept)
        return summary
