"""The generation stage: captions -> pictures with depth of a trained model -> committed shards, on Ray Data.

    check    captions, models, output, cluster, a batch on a worker   (captions, plan)
    plan     which samples are in which shard                         (plan)
    stream   shard -> ShardGenerator                                  (generate_shards)
    finish   audit, card, pictures, success marker                    (audit, finish)

Kill it at any point and run the same command again: it resumes where it stopped. docs/generate.md says what is
promised. The parts are in `pipelines/samples/`.
"""

import logging
from typing import Any

import ray

from ldm3d.config import GenerateConfig
from ldm3d.sampling.samples import REMEDY
from pipelines.samples.audit import audit_of
from pipelines.samples.finish import finish, finished_summary
from pipelines.samples.generate_shards import FOLDERS, Generating, ShardGenerator
from pipelines.samples.plan import GeneratePlan, try_sampler
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import code_version
from pipelines.storage.shards import check_owner, require_kept
from pipelines.workers.calls import shared, try_on_worker
from pipelines.workers.resources import cluster_size, fit_actors
from pipelines.workers.stage import Stage, run_stage
from pipelines.workers.stream_shards import process_shards

logger = logging.getLogger(__name__)


def generate(config: GenerateConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Draw samples for captions, or resume where an earlier run stopped.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything and return the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json` (`pipelines.samples.finish`); for a dry run what is known so far.

    Raises:
        ValueError: invalid configuration, captions, models, output or cluster. Raised before any work starts.
        AuditError: the output does not hold every sample exactly once.
        TakenOverError: another run was started on the same output.
        ray.exceptions.RayTaskError: a task failed; its cause says why.
    """
    return run_stage(_Generate(GeneratePlan.of(with_absolute_paths(config))), dry_run=dry_run)


class _Generate(Stage):
    def __init__(self, plan: GeneratePlan) -> None:
        self.plan, self.config, self.identity = plan, plan.config, plan.identity()

    def finished(self, *, dry_run: bool) -> dict[str, Any] | None:
        summary = finished_summary(self.output, self.plan.shards)
        if summary:
            logger.info("%s is finished: samples: %d", self.output.url, summary["rows_kept"])
        return summary

    def prepare(self, *, begun: bool) -> dict[str, Any]:
        self.pool = fit_actors("generate", self.config.cluster, *cluster_size())
        facts = self._share_models()
        logger.info("%s", self.pool.with_facts(facts))
        self.image_size = facts["image_size"]
        return {"resources": str(self.pool), **facts}

    def extent(self) -> dict[str, Any]:
        samples = sum(shard.rows for shard in self.plan.shards)
        return {"rows_read": samples, "captions": self.plan.captions.about()}

    def work(self, owner: str) -> dict[str, Any]:
        plan, output = self.plan, self.output
        plan.save()
        provenance = {"producer": "generate", "config": self.identity, "code": code_version()}
        job = Generating(self.config, plan.grid, self.models, self.pool.cpus, owner, provenance)
        process_shards(ShardGenerator, job, plan.shards, FOLDERS, self.pool, doing="sampling")
        records = audit_of(output, plan.grid).run(plan.shards, owner, plan.files())
        check_owner(output, owner)
        require_kept(records.values(), f"Give an empty --output, and {REMEDY}")
        summary = finish(job, plan, records, {"image_size": self.image_size})
        kept = summary["rows_kept"]
        logger.info("%s: samples: %d, rejected: %d", output.url, kept, summary["rows_read"] - kept)
        return summary

    def _share_models(self) -> dict[str, Any]:
        """Put the models into the object store, as workers may not reach the places that they came from, and try
        each on a worker. Return what is known of their samples.

        Raises:
            ValueError: a model does not draw, or models draw pictures of different sizes.
        """
        plan, tried = self.plan, {}
        self.models: dict[str, ray.ObjectRef] = {}
        for generator in plan.generators:
            model = shared(plan.open(generator))
            patience_s, name = self.config.cluster.no_progress_timeout_s, f"the model {generator.name}".rstrip()
            tried[generator.name] = try_on_worker(
                try_sampler, model, self.config, pool=self.pool, patience_s=patience_s, name=name
            )
            self.models[generator.fingerprint] = model
        sizes = {name: facts["image_size"] for name, facts in tried.items()}
        if len({tuple(size) for size in sizes.values()}) > 1:
            raise ValueError(
                f"models draw pictures of several sizes, {sizes}: give --sampling.height and --sampling.width"
            )
        return next(iter(tried.values()))
