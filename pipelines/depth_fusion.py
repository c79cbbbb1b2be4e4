"""The stage of places: panoramas with depth -> folders of views, meshes and films -> committed shards, on Ray Data.

    check    panoramas, models, output, cluster               (panoramas, plan, depth_model)
    plan     which panoramas are in which shard               (plan)
    stream   shard -> ShardRenderer                           (read_panorama, render_shards)
    finish   audit, page, success marker                      (audit, finish)

Kill it at any point and run the same command again: it resumes where it stopped. docs/depth_fusion.md says what is
promised. The parts are in `pipelines/views/`; one panorama at a keyboard needs none of them (`ldm3d.fusion.fuse`).
"""

import logging
from typing import Any

from ldm3d.config import DepthFusionConfig
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import code_version
from pipelines.storage.shards import check_owner, finished, forget, require_kept
from pipelines.views.audit import audit_of
from pipelines.views.depth_model import try_model
from pipelines.views.finish import finish, finished_summary
from pipelines.views.lost_places import shards_with_lost_files
from pipelines.views.plan import FusionPlan, fit_renderers
from pipelines.views.render_shards import FOLDERS, Rendering, ShardRenderer
from pipelines.workers.calls import shared
from pipelines.workers.resources import cluster_size
from pipelines.workers.stage import Stage, run_stage
from pipelines.workers.stream_shards import process_shards

logger = logging.getLogger(__name__)


def depth_fusion(config: DepthFusionConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Make places of panoramas, or resume where an earlier run stopped.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything and return the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json` (`pipelines.views.finish`); for a dry run what is known so far.

    Raises:
        ValueError: invalid configuration, panoramas, model, output or cluster. Raised before any work starts.
        AuditError: the output does not hold every panorama exactly once.
        TakenOverError: another run was started on the same output.
        ray.exceptions.RayTaskError: a task failed; its cause says why.
    """
    return run_stage(_DepthFusion(FusionPlan.of(with_absolute_paths(config))), dry_run=dry_run)


class _DepthFusion(Stage):
    def __init__(self, plan: FusionPlan) -> None:
        self.plan, self.config, self.identity = plan, plan.config, plan.identity()

    def finished(self, *, dry_run: bool) -> dict[str, Any] | None:
        summary = finished_summary(self.output, self.plan.shards)
        if summary and shards_with_lost_files(self.output, self.plan.shards):
            logger.info("%s was finished, but files of its places are missing or have changed since", self.output.url)
            return None
        if summary:
            logger.info("%s is finished: places: %d", self.output.url, summary["rows_kept"])
        return summary

    def prepare(self, *, begun: bool) -> dict[str, Any]:
        self.pool = fit_renderers(self.config, *cluster_size())
        logger.info("%s", self.pool)
        depth_model = self.plan.depth_model
        tried = {} if depth_model is None else try_model(self.config, depth_model["fingerprint"], self.pool)
        return {"resources": str(self.pool)} | tried

    def extent(self) -> dict[str, Any]:
        return {"rows_read": self.plan.panoramas.count, "panoramas": self.plan.panoramas.about()["groups"]}

    def work(self, owner: str) -> dict[str, Any]:
        plan, output = self.plan, self.output
        done = finished(output, plan.shards, FOLDERS)
        forget(output, shards_with_lost_files(output, [shard for shard in plan.shards if shard.name in done]))
        plan.save()
        provenance = {"producer": "depth_fusion", "config": self.identity, "code": code_version()}
        model = None if plan.model is None else shared(plan.model)
        depth_model = None if plan.depth_model is None else plan.depth_model["fingerprint"]
        job = Rendering(self.config, plan.panoramas.is_drawn, model, depth_model, self.pool.cpus, owner, provenance)
        process_shards(ShardRenderer, job, plan.shards, FOLDERS, self.pool, doing="rendering")
        records = audit_of(output).run(plan.shards, owner)
        check_owner(output, owner)
        require_kept(records.values(), "Look at the details in rejects/; give an empty --output and other panoramas")
        summary = finish(plan, records)
        kept = summary["rows_kept"]
        logger.info("%s: places: %d, rejected: %d", output.url, kept, summary["rows_read"] - kept)
        return summary
