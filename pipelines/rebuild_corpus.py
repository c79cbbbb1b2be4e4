"""The corpus stage: metadata -> images -> depth labels -> committed shards, streaming on Ray Data.

    plan     select, order, sample, split and shard the metadata             (pipelines.candidates)
    stream   shard -> Downloader -> DepthLabeler -> write_shards              (a block is a shard all the way)
    mend     move duplicates to the rejects, audit every key                 (remove_duplicates, audit)
    finish   dataset card, contact sheet, success marker                     (finish)

Killed anywhere and run again, it does what is left. docs/corpus.md says what is promised and how it is kept.
"""

import gc
import json
import logging
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray.data import Dataset

from ldm3d.config import CorpusConfig, to_json
from pipelines import preflight
from pipelines.audit import audit
from pipelines.candidates import Plan, load_plan, make_plan, save_plan
from pipelines.commit import Record, Shard, check_owner, claim, finished
from pipelines.download import Downloader
from pipelines.finish import finish, load_summary
from pipelines.label_depth import DepthLabeler
from pipelines.metadata_input import MetadataInput, read_input
from pipelines.progress import ShardProgress
from pipelines.relabel import CorpusReader, check_finished, is_corpus, relabel_plan, with_source_settings
from pipelines.remove_duplicates import remove_duplicates
from pipelines.resources import Resources, cluster_size, fit
from pipelines.session import allow_for_slow_hosts, connect
from pipelines.storage import Folder
from pipelines.write_shards import write_shards

logger = logging.getLogger(__name__)

# Shards an execution of Ray Data. Each takes the driver 1 ms before the first one starts, and 12 KB until the last has
# ended; each execution starts its actors anew, which takes about a minute.
WINDOW = 25_000


@dataclass(frozen=True)
class Actors:
    """The classes that do the work, with the contracts written there. Benchmarks measure the graph with stand-ins."""

    download: type = Downloader
    label: type = DepthLabeler


def rebuild_corpus(config: CorpusConfig, *, dry_run: bool = False, actors: Actors | None = None) -> dict[str, Any]:
    """Rebuild the RGBD corpus, or do what is left of it.

    Args:
        config: everything; see `ldm3d.config`.
        dry_run: check and print the plan, write nothing.
        actors: what downloads and labels.

    Returns:
        rows_read, rows_kept, rows_rejected by reason, splits; for a dry run what is known of these.

    Raises:
        ValueError: the configuration, input, output, model or cluster will not do; nothing was started.
        AuditError: the output does not hold every row exactly once.
        TakenOverError: another run was started on the same output.
    """
    output = Folder(config.output)
    config, metadata, identity = _look_at_input(_with_absolute_paths(config))
    begun = preflight.check_output(output, identity)
    if begun and (summary := _finished_summary(output)):
        logger.info("%s is finished: %s", output.url, _counts(summary))
        return summary
    connect(config.cluster)
    gc.collect()  # to which Ray Data leaves the actors of a run of this process that failed, and their GPUs
    resources = fit(config.cluster, *cluster_size())
    logger.info("%s", resources)
    facts = preflight.try_model(config, resources.label)
    if begun:
        preflight.check_same_model(output, facts)
    if dry_run:
        rows = metadata.rows if metadata else None
        return {"rows_read": rows, "resources": str(resources), **facts, "config": to_json(config)}
    run = uuid.uuid4().hex
    claim(output, run, {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "host": socket.gethostname()})
    preflight.check_output(output, identity)  # again: another run may have begun here while the model was tried
    check_owner(output, run)
    preflight.save_config(output, identity, to_json(config), facts, preflight.code_version())
    plan = load_plan(output) or _make_plan(config, metadata, output, run)
    records = _run_shards(config, plan, resources, run, metadata is None, facts, actors or Actors())
    if config.duplicates.remove:
        with _says_who_took_over(output, run):
            records = remove_duplicates(config, run, records)
    source = output if metadata else Folder(config.input)
    audit(plan.shards, source, output, run)
    check_owner(output, run)
    finish(output, plan, list(records.values()), to_json(config), facts)
    summary = load_summary(output) or {}
    logger.info("%s: %s", output.url, _counts(summary))
    return summary


def _look_at_input(config: CorpusConfig) -> tuple[CorpusConfig, MetadataInput | None, dict[str, Any]]:
    """The settings that hold, the metadata (None for a corpus to relabel), all that decides which rows come out."""
    given, made = f"{config.input}/", f"{config.output}/"
    if given.startswith(made) or made.startswith(given):
        raise ValueError(f"--output {config.output!r} and --input {config.input!r} overlap; give separate folders")
    try:
        if is_corpus(config.input):
            config = with_source_settings(config)
            return config, None, config.identity() | {"corpus": check_finished(Folder(config.input))}
        metadata = read_input(config)
    except OSError as error:
        raise ValueError(f"--input {config.input!r} cannot be read: {error}") from error
    return config, metadata, config.identity() | {"files": [list(file) for file in metadata.files]}


def _finished_summary(output: Folder) -> dict[str, Any] | None:
    """The counts of a corpus that is finished and whole; None where there is something left to do."""
    summary, plan = load_summary(output), load_plan(output)
    if summary and plan and len(finished(output, plan.shards)) < len(plan.shards):
        logger.info("%s was finished, but files of it are missing or changed since", output.url)
        return None
    return summary


def _with_absolute_paths(config: CorpusConfig) -> CorpusConfig:
    """Workers may run in another folder than the driver."""
    model = Path(config.label.depth_model)
    label = replace(config.label, depth_model=str(model.absolute())) if model.is_dir() else config.label
    return replace(config, input=Folder(config.input).url, output=Folder(config.output).url, label=label)


def _make_plan(config: CorpusConfig, metadata: MetadataInput | None, output: Folder, run: str) -> Plan:
    if metadata:
        return make_plan(metadata, config, output, run)
    plan = relabel_plan(Folder(config.input))
    check_owner(output, run)
    save_plan(plan, output)
    return plan


def _run_shards(
    config: CorpusConfig,
    plan: Plan,
    resources: Resources,
    run: str,
    relabels: bool,
    facts: dict[str, Any],
    actors: Actors,
) -> dict[str, Record]:
    """Process the shards that are not done yet. Returns the records of all."""
    output = Folder(config.output)
    records = finished(output, plan.shards)
    pending = [shard for shard in plan.shards if shard.name not in records]
    logger.info("%d of %d shards to do", len(pending), len(plan.shards))
    if not pending:
        return records
    if not relabels:
        sample = max(pending, key=lambda shard: shard.rows)
        urls = output.read_table(sample.source, columns=["url"], row_group=sample.row_group)["url"].to_pylist()
        allow_for_slow_hosts(config, urls, resources.download)
    provenance = {"producer": "rebuild_corpus", "config": config.identity(), "code": preflight.code_version(), **facts}
    write = partial(write_shards, config=config, run=run, provenance=provenance)
    downloader = None if relabels else actors.download
    rows = sum(shard.rows for shard in pending)
    with _says_who_took_over(output, run), ShardProgress(rows, resources.label.actors or 1) as progress:
        for start in range(0, len(pending), WINDOW):
            images = _images(pending[start : start + WINDOW], config, resources, downloader)
            for row in _written(images, config, resources, actors.label, write).iter_rows():
                record = Record(**json.loads(row["record"]))
                records[record.name] = record
                progress.add(record)
    return records


@contextmanager
def _says_who_took_over(output: Folder, run: str) -> Iterator[None]:
    """Where a task fails for it, the TakenOverError says more than the task that found it out."""
    try:
        yield
    except ray.exceptions.RayTaskError:
        check_owner(output, run)
        raise


def _images(pending: list[Shard], config: CorpusConfig, resources: Resources, downloader: type | None) -> Dataset:
    """Shards -> blocks of rows with images, one block a shard; read from a corpus where there is no `downloader`."""
    items = [
        {"name": s.name, "source": s.source, "row_group": -1 if s.row_group is None else s.row_group} for s in pending
    ]
    shards = ray.data.from_items(items, override_num_blocks=len(items))
    pool = resources.download
    return shards.map_batches(
        downloader or CorpusReader,
        fn_constructor_args=[config, pool.actors, pool.cpus, pool.calls] if downloader else [config.input],
        batch_size=1,
        batch_format="pyarrow",
        **pool.arguments(),
    )


def _written(
    images: Dataset, config: CorpusConfig, resources: Resources, labeler: type, write: Callable[[pa.Table], pa.Table]
) -> Dataset:
    """Blocks of rows with images -> the records of their shards, labelled and committed."""
    labelled = images.map_batches(
        labeler,
        fn_constructor_args=[config.label, config.cluster.label_cpus],
        batch_size=config.shards.rows,  # Ray joins a smaller block, which a split's last shard is, to the next
        batch_format="pyarrow",
        **resources.label.arguments(),
    )
    return labelled.map_batches(write, batch_size=None, batch_format="pyarrow", **resources.write.arguments())


def _counts(summary: dict[str, Any]) -> str:
    rejected = sum(summary["rows_rejected"].values())
    return f"{summary['rows_read']:,} rows read, {summary['rows_kept']:,} kept, {rejected:,} rejected"
