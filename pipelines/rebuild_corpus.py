"""The corpus stage: metadata -> images -> depth labels -> committed shards, streaming on Ray Data.

    look     at the input, the output, the cluster and the model             (corpus_input, preflight, resources)
    plan     select, order, sample, split and shard the metadata             (candidates)
    stream   shard -> Downloader -> DepthLabeler -> write_shards              (corpus_graph)
    mend     move duplicates to the rejects, audit every key                 (remove_duplicates, audit)
    finish   dataset card, contact sheet, success marker                     (finish)

Killed anywhere and run again, it does what is left. docs/corpus.md says what is promised and how it is kept.
"""

import gc
import logging
from typing import Any

from ldm3d.config import CorpusConfig, to_json
from pipelines.corpus.audit import audit
from pipelines.corpus.candidates import make_plan, most_shards
from pipelines.corpus.depth_model import check_same_model, try_model
from pipelines.corpus.finish import finish, has_lost_files
from pipelines.corpus.graph import Actors, CorpusGraph
from pipelines.corpus.input import CorpusInput, look_at_input
from pipelines.corpus.plan import Plan, is_whole, load_plan, save_plan
from pipelines.corpus.relabel import relabel_plan
from pipelines.corpus.remove_duplicates import remove_duplicates
from pipelines.corpus.resources import fit
from pipelines.storage import run as preflight
from pipelines.storage.folder import Folder
from pipelines.storage.shards import check_owner
from pipelines.workers.resources import cluster_size
from pipelines.workers.session import connect
from pipelines.workers.stream_shards import says_who_took_over

logger = logging.getLogger(__name__)


def rebuild_corpus(config: CorpusConfig, *, dry_run: bool = False, actors: Actors | None = None) -> dict[str, Any]:
    """Rebuild the RGBD corpus, or do what is left of it.

    Args:
        config: everything; see `ldm3d.config`.
        dry_run: check and print the plan, write nothing.
        actors: what downloads and labels.

    Returns:
        rows_read, rows_kept, rows_rejected by reason, splits; for a dry run what is known of the work.

    Raises:
        ValueError: the configuration, input, output, model or cluster will not do; nothing was started.
        AuditError: the output does not hold every row exactly once.
        TakenOverError: another run was started on the same output.
    """
    output, given = Folder(config.output), look_at_input(config)
    config = given.config
    begun = preflight.check_output(output, given.identity)
    if begun and (summary := _finished_summary(output)):
        logger.info("%s is finished: %s", output.url, _counts(summary))
        return summary
    connect(config.cluster)
    gc.collect()  # to which Ray Data leaves the actors of a run of this process that failed, and their GPUs
    resources = fit(config.cluster, *cluster_size())
    logger.info("%s", resources)
    facts = try_model(config, resources.label)
    if begun:
        check_same_model(output, facts)
    if dry_run:
        return {**_extent(given, output), "resources": str(resources), **facts, "config": to_json(config)}
    run = preflight.begin(output, given.identity, to_json(config), facts)
    plan = load_plan(output)
    if plan is None or not is_whole(plan, output):
        plan = _make_plan(given, output, run)
    provenance = {"producer": "rebuild_corpus", "config": given.settings, "code": preflight.code_version()}
    provenance |= facts
    relabels = given.metadata is None
    graph = CorpusGraph(config, resources, actors or Actors(), run, provenance, relabels)
    records = graph.work_off(plan.shards)
    if config.duplicates.remove:
        with says_who_took_over(output, run):
            records = remove_duplicates(config, run, records)
    records = audit(plan, Folder(config.input) if relabels else output, output, run)
    check_owner(output, run)
    finish(output, plan, list(records.values()), to_json(config), facts)
    summary = preflight.read_marker(output) or {}
    logger.info("%s: %s", output.url, _counts(summary))
    return summary


def _finished_summary(output: Folder) -> dict[str, Any] | None:
    """The counts of a corpus that is finished and whole; None where there is something left to do."""
    summary, plan = preflight.read_marker(output), load_plan(output)
    if summary and (plan is None or has_lost_files(output, plan, summary)):
        logger.info("%s was finished, but files of it are missing or changed since", output.url)
        return None
    return summary


def _extent(given: CorpusInput, output: Folder) -> dict[str, Any]:
    """How much there is to do: by the plan where there is one, else as much as it can be."""
    rows, metadata = given.config.shards.rows, given.metadata
    plan = load_plan(output) if metadata else relabel_plan(Folder(given.config.input))
    if plan:
        return {"rows_read": plan.rows_read, "shards": len(plan.shards), "rows_a_shard": rows}
    count = metadata.rows if metadata else 0
    return {"rows_read": count, "shards_at_most": most_shards(count, given.config), "rows_a_shard": rows}


def _make_plan(given: CorpusInput, output: Folder, run: str) -> Plan:
    if given.metadata:
        return make_plan(given.metadata, given.config, output, run)
    plan = relabel_plan(Folder(given.config.input))
    check_owner(output, run)
    save_plan(plan, output)
    return plan


def _counts(summary: dict[str, Any]) -> str:
    rejected = sum(summary["rows_rejected"].values())
    return f"{summary['rows_read']:,} rows read, {summary['rows_kept']:,} kept, {rejected:,} rejected"
