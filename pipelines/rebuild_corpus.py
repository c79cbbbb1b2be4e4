"""The corpus stage: metadata -> images -> depth labels -> committed shards, streaming on Ray Data.

    check    the input, the output, the cluster and the depth model          (input, resources, depth_model)
    plan     select, order, sample, split and shard the metadata             (candidates)
    stream   shard -> Downloader -> DepthLabeler -> write_shards             (graph)
    clean    move duplicates to the rejects, audit every key                 (remove_duplicates, audit)
    finish   dataset card, contact sheet, success marker                     (finish)

Kill it at any point and run the same command again: it resumes where it stopped. docs/promises.md says what is
promised and how it is kept. The parts are in `pipelines/corpus/`.
"""

import logging
from typing import Any

from ldm3d.config import CorpusConfig
from ldm3d.reject import TRANSPORT, Reason
from pipelines.corpus.audit import audit_of
from pipelines.corpus.candidates import make_plan, most_shards
from pipelines.corpus.depth_model import check_same_model, try_model
from pipelines.corpus.finish import finish, has_lost_files
from pipelines.corpus.given_depth import about_column
from pipelines.corpus.graph import Actors, CorpusGraph
from pipelines.corpus.input import CorpusInput, check_input
from pipelines.corpus.metadata import MetadataInput
from pipelines.corpus.plan import FOLDERS, Plan, is_whole, load_plan, save_plan
from pipelines.corpus.relabel import relabel_plan
from pipelines.corpus.remove_duplicates import remove_duplicates
from pipelines.corpus.resources import fit
from pipelines.corpus.retry import rows_to_retry
from pipelines.storage.folder import Folder
from pipelines.storage.run import code_version, own_marker
from pipelines.storage.shards import check_owner, finished, require_kept, totals
from pipelines.workers.resources import cluster_size
from pipelines.workers.stage import Stage, run_stage
from pipelines.workers.stream_shards import says_who_took_over

logger = logging.getLogger(__name__)


def rebuild_corpus(config: CorpusConfig, *, dry_run: bool = False, actors: Actors | None = None) -> dict[str, Any]:
    """Rebuild the RGBD corpus, or resume where an earlier run stopped.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything and return the plan, write nothing.
        actors: what downloads and labels.

    Returns:
        What is in `_SUCCESS.json`: rows_read, rows_kept, rows_rejected by reason, rows_not_sampled if a sample left
        any out, splits (rows kept by split), labels (what is known of them and of the depth model), and shortage if
        no row or almost none was kept (why, and what to do); for a dry run what is known so far.

    Raises:
        ValueError: invalid configuration, input, output, model or cluster. Raised before any work starts.
        AuditError: the output does not hold every row exactly once.
        LostRowsError: the rows planned and rejected are not those of the input, which may have changed meanwhile.
        TakenOverError: another run was started on the same output.
        ray.exceptions.RayTaskError: a task failed; its cause says why.
    """
    return run_stage(_RebuildCorpus(check_input(config), actors or Actors()), dry_run=dry_run)


class _RebuildCorpus(Stage):
    def __init__(self, given: CorpusInput, actors: Actors) -> None:
        self.given, self.actors = given, actors
        self.config, self.identity = given.config, given.identity

    def finished(self, *, dry_run: bool) -> dict[str, Any] | None:
        summary, plan = own_marker(self.output), load_plan(self.output)
        if summary and (plan is None or has_lost_files(self.output, plan, summary)):
            logger.info("%s was finished, but files of it are missing or have changed since", self.output.url)
            return None
        if summary:
            logger.info("%s is finished: %s", self.output.url, _counts(summary))
        if summary and self.config.retry_rejects and TRANSPORT & summary["rows_rejected"].keys():
            return None
        return summary

    def prepare(self, *, begun: bool) -> dict[str, Any]:
        given = self.config.label.column is not None
        cpus, gpus = cluster_size()
        self.resources = fit(self.config.cluster, cpus, 0 if given else gpus)
        logger.info("%s", self.resources)
        self.labels = about_column(self.config) if given else try_model(self.config, self.resources.label)
        if begun:
            check_same_model(self.output, self.labels)
        return {"resources": str(self.resources), **self.labels}

    def extent(self) -> dict[str, Any]:
        """Say how many rows and shards there are: by the plan where there is one, else at most."""
        rows, metadata = self.config.shards.rows, self.given.metadata
        plan = load_plan(self.output) if metadata else relabel_plan(Folder(self.config.input))
        if plan:
            known = {"rows_read": plan.rows_read, "shards": len(plan.shards), "rows_a_shard": rows, **_named(metadata)}
            if self.config.retry_rejects:
                records = finished(self.output, plan.shards, FOLDERS).values()
                known["rows_to_retry"] = sum(rows_to_retry(record) for record in records)
            return known
        assert metadata
        known = {"rows_read": metadata.rows, **_named(metadata)}
        known |= _about_sample(self.config.select.sample, metadata.rows)
        return known | {"shards_at_most": most_shards(metadata, self.config), "rows_a_shard": rows}

    def notes(self) -> dict[str, Any]:
        return {"labels": self.labels}

    def work(self, owner: str) -> dict[str, Any]:
        config, output, relabels = self.config, self.output, self.given.metadata is None
        plan = load_plan(output)
        if plan is None or not is_whole(plan, output):
            plan = self._make_plan(owner)
        provenance = {"producer": "rebuild_corpus", "config": self.given.settings, "code": code_version()}
        provenance |= self.labels
        records = CorpusGraph(config, self.resources, self.actors, owner, provenance, relabels).process(plan.shards)
        if config.duplicates.remove:
            with says_who_took_over(output, owner):
                records = remove_duplicates(config, owner, records)
        source = Folder(config.input) if relabels else output
        records = audit_of(source, output).run(plan.shards, owner, plan.files)
        check_owner(output, owner)
        if Reason.DEPTH_FAILED in totals(list(records.values()))[2]:  # a web without pictures is a result, though
            another = "--label.depth-model or --label.dtype" if config.label.column is None else "--label.column"
            require_kept(records.values(), f"Give an empty --output, and another {another}")
        finish(output, plan, list(records.values()), config.settings(), self.labels)
        summary = own_marker(output) or {}
        logger.info("%s: %s", output.url, _counts(summary))
        return summary

    def _make_plan(self, owner: str) -> Plan:
        if self.given.metadata:
            return make_plan(self.given.metadata, self.config, self.output, owner)
        plan = relabel_plan(Folder(self.config.input))
        check_owner(self.output, owner)
        save_plan(plan, self.output)
        return plan


def _named(metadata: MetadataInput | None) -> dict[str, Any]:
    """Say which columns are read, where tables have any of the user's, and how many bytes of pictures are in them."""
    if metadata is None or not metadata.named:
        return {}
    held = {"bytes_copied_at_most": metadata.picture_bytes} if metadata.columns.image else {}
    return {"columns": metadata.named, **held}


def _about_sample(sample: int | None, rows: int) -> dict[str, Any]:
    """Say what a sample leaves of the rows: a preset may have set it."""
    if sample is None:
        return {}
    left = min(sample, rows)
    logger.warning(
        "--select.sample is %d, by --preset or as given: at most %s of the %s rows read are tried; "
        "--select.sample None tries all that pass the selection",
        sample,
        f"{left:,}",
        f"{rows:,}",
    )
    return {"rows_sampled_at_most": left}


def _counts(summary: dict[str, Any]) -> str:
    rejected = dict(summary["rows_rejected"])
    # markers of earlier versions count these among the rejected ones
    not_sampled = summary.get("rows_not_sampled", 0) + rejected.pop(Reason.NOT_SAMPLED, 0)
    rest = f", not sampled: {not_sampled:,}" if not_sampled else ""
    return (
        f"rows read: {summary['rows_read']:,}, kept: {summary['rows_kept']:,}, "
        f"rejected: {sum(rejected.values()):,}{rest}"
    )
