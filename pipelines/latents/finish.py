"""The end of latents: their scale, card, picture and, last, the success marker.

`_SUCCESS.json` holds:

    rows_read, rows_kept, rows_rejected    pictures; the last by reason
    splits                                 rows by split: pictures and, in train, mirror images
    latent_shape                           [c, h, w]
    latent_std, scaling_factor_measured    standard deviation of draws for the pictures of train; 1 / latent_std
    autoencoder                            model, revision, fingerprint, channels, scaling_factor
    text                                   base, revision, fingerprint, shape [L, D]; null if captions are not encoded
"""

import json
from collections import Counter
from functools import partial
from typing import Any

import ray

from ldm3d.card import content_name, latents_card
from ldm3d.config import to_json
from ldm3d.data.latent_sums import LatentSums
from ldm3d.data.latents import LATENT_SUMS
from pipelines.latents.encode_shards import FOLDERS, Encoding, has_flips
from pipelines.latents.sheet import latents_sheet
from pipelines.storage.folder import Folder, concurrently
from pipelines.storage.run import SUCCESS, whole_summary
from pipelines.storage.shards import Record, Shard, totals
from pipelines.workers.calls import wait_for
from pipelines.workers.resources import Pool

CARD, SHEET = "README.md", "latents.png"


def finish(work: Encoding, shards: list[Shard], records: dict[str, Record], pool: Pool) -> dict[str, Any]:
    """Write card and picture, then `_SUCCESS.json`. Return what is in it."""
    output = Folder(work.config.output)
    output.delete_drafts()
    summary = _summary(work, output, list(records.values()))
    if summary["rows_kept"]:
        most = max(shards, key=lambda shard: (records[shard.name].kept, shard.name))
        draw = ray.remote(latents_sheet).options(num_cpus=pool.cpus, num_gpus=pool.gpus)
        sheet = draw.remote(work.vae, work.config, most)
        output.write(SHEET, wait_for(sheet, "drawing the picture", work.config.cluster.no_progress_timeout_s))
    name = content_name(work.provenance["config"])
    output.write(CARD, latents_card(summary, to_json(work.config), name).encode())
    output.write_json(SUCCESS, summary)
    return summary


def finished_summary(output: Folder, shards: list[Shard]) -> dict[str, Any] | None:
    """Return what the success marker says, or None if work is left."""
    return whole_summary(output, shards, FOLDERS, lambda summary: (CARD, SHEET) if summary["rows_kept"] else (CARD,))


def _summary(work: Encoding, output: Folder, records: list[Record]) -> dict[str, Any]:
    read, kept, rejected = totals(records)
    splits: Counter[str] = Counter()
    for record in records:
        if record.kept:
            splits[record.split] += record.kept * (2 if has_flips(record.name, work.config) else 1)
    std = _sums(output, records).std
    return {
        "rows_read": read,
        "rows_kept": kept,
        "rows_rejected": rejected,
        "splits": dict(sorted(splits.items())),
        "latent_shape": list(work.latent_shape),
        "latent_std": std,
        "scaling_factor_measured": 1 / std if std else None,
        "autoencoder": work.provenance["autoencoder"],
        "text": work.provenance["text"],
    }


def _sums(output: Folder, records: list[Record]) -> LatentSums:
    """Add up the sums of the pictures of train, from the footers of their files, in the order of the files' names, as
    floating-point sums depend on it."""
    names = sorted(name for record in records for name in record.sizes if name.startswith("latents/train/"))
    return sum(concurrently(partial(_sums_of, output), names), LatentSums())


def _sums_of(output: Folder, name: str) -> LatentSums:
    with output.parquet_file(name) as file:
        return LatentSums(**json.loads(file.schema_arrow.metadata[LATENT_SUMS.encode()]))
