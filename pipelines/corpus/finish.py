"""The end of a corpus: counts, dataset card, contact sheet and, last, the success marker."""

from collections import Counter
from itertools import islice, zip_longest
from typing import Any

from ldm3d.card import content_name, dataset_card
from ldm3d.figures.contact_sheet import Sample, contact_sheet
from ldm3d.images import decode_depth, decode_rgb
from ldm3d.reject import Reason
from pipelines.corpus.outages import warn_of_outages
from pipelines.corpus.plan import FOLDERS, Plan, is_whole
from pipelines.corpus.shortage import shortage
from pipelines.storage.folder import Folder
from pipelines.storage.run import SUCCESS
from pipelines.storage.shards import Record, finished, split_and_number, totals
from pipelines.workers.audit import AuditError

CARD, SHEET = "README.md", "contact_sheet.png"
SHOWN = 24


def finish(output: Folder, plan: Plan, records: list[Record], config: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write the card and the contact sheet, then `_SUCCESS.json`, which says so if the corpus is short of rows."""
    summary = summarise(plan, records)
    if lacking := shortage(output, plan, records):
        summary["shortage"] = lacking
    warn_of_outages(output, records)
    output.delete_drafts()
    if summary["rows_kept"]:
        output.write(SHEET, _sheet(output, records))
    # changes with the files of the corpus
    name = content_name(sorted(size for record in records for size in record.sizes.items()))
    output.write(CARD, dataset_card(summary, config, facts, name).encode())
    output.write_json(SUCCESS, summary | {"labels": facts})


def summarise(plan: Plan, records: list[Record]) -> dict[str, Any]:
    """Count the rows of a complete corpus. Rows that a sample left out are not among the rejected ones.

    Raises:
        AuditError: rows read differ from rows kept and rejected.
    """
    _, kept, rejected = totals(records)
    every = dict(sorted((Counter(plan.rejected) + Counter(rejected)).items()))
    if plan.rows_read != kept + sum(every.values()):
        raise AuditError(f"{plan.rows_read} rows read, but {kept} kept and {sum(every.values())} rejected")
    not_sampled = every.pop(Reason.NOT_SAMPLED, 0)
    splits: Counter[str] = Counter()
    for record in records:
        if record.kept:
            splits[record.split] += record.kept
    return {
        "rows_read": plan.rows_read,
        "rows_kept": kept,
        "rows_rejected": every,
        **({"rows_not_sampled": not_sampled} if not_sampled else {}),
        "splits": dict(sorted(splits.items())),
    }


def _sheet(output: Folder, records: list[Record]) -> bytes:
    """Draw the contact sheet: the first kept row of each shard, then the second of each, and so on."""
    files = [name for record in sorted(records, key=_smallest_first) for name in record.sizes if "rgbd/" in name]
    columns = ["image", "depth", "caption"]
    shards = [output.read_table(name, columns=columns, row_group=0).slice(0, SHOWN) for name in files[:SHOWN]]
    rounds = zip_longest(*(shard.to_pylist() for shard in shards))
    rows = islice((row for rows in rounds for row in rows if row), SHOWN)
    return contact_sheet(
        [
            Sample(decode_rgb(row["image"]["bytes"]), decode_depth(row["depth"]["bytes"]), row["caption"])
            for row in rows
        ]
    )


def _smallest_first(record: Record) -> tuple[int, str]:
    split, number = split_and_number(record.name)
    return int(number), split


def has_lost_files(output: Folder, plan: Plan, summary: dict[str, Any]) -> bool:
    """Check whether files of a finished corpus are missing or have changed."""
    shown = (CARD, SHEET) if summary["rows_kept"] else (CARD,)
    return (
        not all(output.exists(name) for name in shown)
        or not is_whole(plan, output)
        or len(finished(output, plan.shards, FOLDERS)) < len(plan.shards)
    )
