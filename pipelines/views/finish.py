"""The end of places: the page that shows them and, last, the success marker.

`_SUCCESS.json` holds:

    rows_read, rows_kept, rows_rejected    panoramas; the last by reason
    places                                 number of places by group: points of a grid, or `panoramas`
    input                                  fingerprint, and panoramas by group
    model                                  model, revision, fingerprint; null if it drew nothing
    depth_model                            the same, licence, meaning; null if a map was required
    settings                               the settings that decide which files come out
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ldm3d.fusion.pages import gallery_page
from pipelines.storage.folder import Folder
from pipelines.storage.run import SUCCESS, whole_summary
from pipelines.storage.shards import Record, Shard, totals
from pipelines.views.plan import FusionPlan
from pipelines.views.render_shards import FOLDERS

INDEX = "index.html"
SHOWN = 500  # places on the page


def finish(plan: FusionPlan, records: dict[str, Record]) -> dict[str, Any]:
    """Write the page, then `_SUCCESS.json`. Return what is in it."""
    output = Folder(plan.config.output)
    output.delete_drafts()
    read, kept, rejected = totals(list(records.values()))
    places: Counter[str] = Counter()
    for record in records.values():
        places[record.split] += record.kept
    summary = {
        "rows_read": read,
        "rows_kept": kept,
        "rows_rejected": rejected,
        "places": dict(places),
        "input": plan.panoramas.about(),
        "model": plan.about_model(),
        "depth_model": plan.depth_model,
        "settings": plan.config.identity(),
    }
    about = f"Places: {kept:,}, of {read:,} pictures." + (f" The first {SHOWN}:" if kept > SHOWN else "")
    shown = list(_shown(output, plan.shards, records))
    output.write(INDEX, gallery_page(output.url.rpartition("/")[2], about, shown).encode())
    output.write_json(SUCCESS, summary)
    return summary


def finished_summary(output: Folder, shards: list[Shard]) -> dict[str, Any] | None:
    """Return what the success marker says, or None if work is left."""
    return whole_summary(output, shards, FOLDERS, lambda summary: [INDEX])


def _shown(output: Folder, shards: list[Shard], records: dict[str, Record]) -> Iterator[tuple[str, str, str]]:
    """Yield folder, title and distances of the first places, in the order of the plan."""
    left = SHOWN
    for shard in shards:
        if left <= 0:
            return
        if not records[shard.name].kept:
            continue
        columns = ["folder", "title", "nearest", "farthest"]
        for row in output.read_table(shard.file(FOLDERS[0]), columns=columns).slice(0, left).to_pylist():
            left -= 1
            yield row["folder"], row["title"], f"{row['nearest']:.3g} to {row['farthest']:.3g} m"
