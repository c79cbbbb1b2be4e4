"""The rule of samples: every planned sample is there exactly once, drawn at its point of the grid, or rejected."""

from collections import Counter
from functools import partial

import pyarrow as pa

from ldm3d.schema import SAMPLES
from pipelines.samples.grid import Grid, point_name
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record
from pipelines.workers.audit import Audit, miscounted

POINT = ("scheduler", "guidance_scale", "num_inference_steps", "checkpoint")


def audit_of(output: Folder, grid: Grid) -> Audit:
    """Return the audit of samples, which reads keys, numbers and points: pictures are checked as they are written."""
    planned, kept = ("key", "number"), ("key", "number", *POINT)
    return Audit(output.url, output.url, "samples", SAMPLES, planned, kept, partial(_fault, grid=grid))


def _fault(planned: pa.Table, kept: pa.Table, rejected: pa.Table, record: Record, grid: Grid) -> str:
    wanted, drawn = _pairs(planned), _pairs(kept)
    missing = Counter(key for key, _ in (wanted - drawn).elements())
    if drawn - wanted or missing != Counter(rejected["key"].to_pylist()):
        return f"{planned.num_rows} samples planned, {kept.num_rows + rejected.num_rows} found"
    point = grid[point_name(record.name)]
    facts = point.facts()
    points = set(zip(*(kept[name].to_pylist() for name in POINT), strict=True))
    if not points <= {tuple(facts[name] for name in POINT)}:
        return f"samples of another point than {point.name}"
    return miscounted(kept, rejected, record)


def _pairs(rows: pa.Table) -> Counter[tuple[int, int]]:
    """Count how often each pair of key and number is there."""
    return Counter(zip(rows["key"].to_pylist(), rows["number"].to_pylist(), strict=True))
