"""The end of places: the page that shows them and, last, the success marker.

`_SUCCESS.json` holds:

    rows_read, rows_kept, rows_rejected    panoramas; the last by reason
    places                                 number of places by group: points of a grid, or `panoramas`
    input                                  fingerprint, and panoramas by group
    model                                  model, revision, fingerprint; null if it drew nothing
    depth_model                            the same, licence, meaning; null if a map was required
    depth                                  what is assumed or unknown of it (`pipelines.views.depth_sum`)
    settings                               the settings that decide which files come out
"""

from collections import Counter
from typing import Any

from pipelines.storage.folder import Folder
from pipelines.storage.run import SUCCESS, whole_summary
from pipelines.storage.shards import Record, Shard, totals
from pipelines.views.depth_sum import depth_sum
from pipelines.views.gallery import gallery
from pipelines.views.plan import FusionPlan
from pipelines.views.render_shards import FOLDERS

INDEX = "index.html"


def finish(plan: FusionPlan, records: dict[str, Record]) -> dict[str, Any]:
    """Write the page, then `_SUCCESS.json`. Return what is in it."""
    output = Folder(plan.config.output)
    output.delete_drafts()
    read, kept, rejected = totals(list(records.values()))
    places: Counter[str] = Counter()
    for record in records.values():
        places[record.split] += record.kept
    depth = depth_sum(output, [shard.file(FOLDERS[0]) for shard in plan.shards if records[shard.name].kept])
    summary = {
        "rows_read": read,
        "rows_kept": kept,
        "rows_rejected": rejected,
        "places": dict(places),
        "input": plan.panoramas.about(),
        "model": plan.about_model(),
        "depth_model": plan.depth_model,
        "depth": depth,
        "settings": plan.config.identity(),
    }
    output.write(INDEX, gallery(output, plan.shards, records, depth).encode())
    output.write_json(SUCCESS, summary)
    return summary


def finished_summary(output: Folder, shards: list[Shard]) -> dict[str, Any] | None:
    """Return what the success marker says, or None if work is left."""
    return whole_summary(output, shards, FOLDERS, lambda summary: [INDEX])
