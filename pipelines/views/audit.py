"""The rule of places: every planned panorama is a folder with all its files, exactly once, or rejected."""

import json
from collections import Counter
from functools import partial

import pyarrow as pa

from ldm3d.schema import PLACES
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, split_and_number
from pipelines.views.render_shards import folder_of
from pipelines.workers.audit import Audit, miscounted


def audit_of(output: Folder) -> Audit:
    """Return the audit of places, which compares the sizes of their files with what was written."""
    planned, kept = ("key", "number"), ("key", "number", "folder", "files")
    return Audit(output.url, output.url, "facts", PLACES, planned, kept, partial(_fault, url=output.url))


def _fault(planned: pa.Table, kept: pa.Table, rejected: pa.Table, record: Record, url: str) -> str:
    wanted, made = _pairs(planned), _pairs(kept)
    missing = Counter(key for key, _ in (wanted - made).elements())
    if made - wanted or missing != Counter(rejected["key"].to_pylist()):
        return f"{planned.num_rows} panoramas planned, {kept.num_rows + rejected.num_rows} found"
    output, group = Folder(url), split_and_number(record.name)[0]
    files = {(row["key"], row["number"]): json.loads(row["files"]) for row in kept.to_pylist()}
    for key, number in wanted:
        folder = folder_of(group, key, number)
        expected = {f"{folder}/{name}": size for name, size in files.get((key, number), {}).items()}
        if output.sizes(folder) != expected:
            return f"{folder} does not hold the files that were written"
    return miscounted(kept, rejected, record)


def _pairs(rows: pa.Table) -> Counter[tuple[int, int]]:
    """Count how often each pair of key and number is there."""
    return Counter(zip(rows["key"].to_pylist(), rows["number"].to_pylist(), strict=True))
