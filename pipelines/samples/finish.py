"""The end of samples: their card, their pictures and, last, the success marker.

`_SUCCESS.json` holds:

    rows_read, rows_kept, rows_rejected    samples planned, drawn and rejected, over all points; the last by reason
    points                                 by name: scheduler, guidance_scale, num_inference_steps, rows, and the
                                           model's checkpoint (fingerprint) and training_step (null if unknown)
    captions                               rows, drawn, rejected, left_out, fingerprint
    image_size                             [H, W], pixels
    model                                  model, revision, fingerprint, channels; several are `models`, by name
    settings                               the settings that decide which samples come out
"""

import logging
from collections import Counter
from typing import Any

from ldm3d.card import content_name, samples_card
from ldm3d.config import to_json
from ldm3d.sampling import Sample
from ldm3d.sampling.sample_sheet import sample_sheet
from pipelines.samples.generate_shards import FOLDERS, Generating
from pipelines.samples.grid import point_name
from pipelines.samples.plan import GeneratePlan
from pipelines.storage.folder import Folder
from pipelines.storage.run import SUCCESS, whole_summary
from pipelines.storage.shards import Record, Shard, totals

logger = logging.getLogger(__name__)

CARD, SHEETS = "README.md", "pictures"
SHOWN = 12  # samples


def finish(work: Generating, plan: GeneratePlan, records: dict[str, Record], facts: dict[str, Any]) -> dict[str, Any]:
    """Write card and pictures, then `_SUCCESS.json`. Return what is in it.

    Args:
        facts: further entries of the success marker.
    """
    output = Folder(work.config.output)
    output.delete_drafts()
    summary = _summary(work, list(records.values())) | plan.about_models()
    summary |= {"captions": plan.captions.about()} | facts
    for point in sorted(summary["points"].keys() - _with_rows(summary)):
        logger.warning("%s: every sample of %s was rejected; look at the details in rejects/", output.url, point)
    for point in _with_rows(summary):
        first = next(each for each in plan.shards if point_name(each.name) == point and records[each.name].kept)
        output.write(_sheet_file(point), _sheet(output, first, work.grid[point].title))
    name = content_name(work.provenance["config"])
    output.write(CARD, samples_card(summary, to_json(work.config), name).encode())
    output.write_json(SUCCESS, summary)
    return summary


def finished_summary(output: Folder, shards: list[Shard]) -> dict[str, Any] | None:
    """Return what the success marker says, or None if work is left."""
    return whole_summary(
        output, shards, FOLDERS, lambda summary: [CARD, *(_sheet_file(point) for point in _with_rows(summary))]
    )


def _summary(work: Generating, records: list[Record]) -> dict[str, Any]:
    read, kept, rejected = totals(records)
    rows: Counter[str] = Counter()
    for record in records:
        rows[point_name(record.name)] += record.kept
    points = {name: point.facts() | {"rows": rows[name]} for name, point in work.grid.items()}
    return {
        "rows_read": read,
        "rows_kept": kept,
        "rows_rejected": rejected,
        "points": points,
        "settings": work.config.identity(),
    }


def _with_rows(summary: dict[str, Any]) -> list[str]:
    """Return the names of the points that have samples."""
    return [point for point, about in summary["points"].items() if about["rows"]]


def _sheet_file(point: str) -> str:
    return f"{SHEETS}/{point}.png"


def _sheet(output: Folder, shard: Shard, title: str) -> bytes:
    """Draw the sheet of some samples of a shard; at every point they have the same captions and seeds."""
    columns = ["caption", "seed", "image", "depth"]
    rows = output.read_table(shard.file("samples"), columns=columns, row_group=0).slice(0, SHOWN).to_pylist()
    return sample_sheet([Sample.of_row(row) for row in rows], title)
