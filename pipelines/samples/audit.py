"""The proof at the end: every planned sample is there exactly once, or rejected."""

import json
from collections import Counter
from functools import partial

import pyarrow as pa

from ldm3d.schema import REJECT, SAMPLES
from pipelines.samples.generate_shards import CONTRACTS
from pipelines.samples.grid import Grid, GridPoint, point_name
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard, shard_file
from pipelines.workers.audit import audit_shards, columns_of, damage_or_raise

POINT = ("scheduler", "guidance_scale", "num_inference_steps", "checkpoint")


def audit_samples(shards: list[Shard], planning: set[str], grid: Grid, output: Folder, run: str) -> dict[str, Record]:
    """Compare the files of the output with the plan and the markers.

    Args:
        planning: files that planning left in the folders that hold rows.

    Returns:
        The records in the markers, by shard: what they say is what the files hold.

    Raises:
        AuditError, TakenOverError: as `pipelines.corpus.audit.audit`.
    """
    planned = {shard.file(contract) for shard in shards for contract in CONTRACTS} | planning
    return audit_shards(shards, planned, partial(check, grid=grid, url=output.url), output, run, CONTRACTS)


def check(shards: pa.Table, grid: Grid, url: str) -> pa.Table:
    """Shards -> name, fault: "" for a shard that holds each of its samples once, drawn at its point of the grid."""
    output, found = Folder(url), []
    for row in shards.to_pylist():
        record = Record(**json.loads(row["record"]))
        wanted = output.read_table(row["source"], columns=["key", "number"], row_group=row["row_group"])
        try:
            kept = columns_of(output, shard_file(record.name, "samples"), SAMPLES, ["key", "number", *POINT])
            rejected = columns_of(output, shard_file(record.name, "rejects"), REJECT, ["key", "reason"])
            fault = _fault(wanted, kept, rejected, record, grid[point_name(record.name)])
        except (OSError, pa.ArrowException) as error:
            fault = damage_or_raise(error)
        found.append({"name": record.name, "fault": fault})
    return pa.Table.from_pylist(found, pa.schema([("name", pa.string()), ("fault", pa.string())]))


def _fault(wanted: pa.Table, kept: pa.Table, rejected: pa.Table, record: Record, point: GridPoint) -> str:
    planned, drawn = _pairs(wanted), _pairs(kept)
    missing = Counter(key for key, _ in (planned - drawn).elements())
    if drawn - planned or missing != Counter(rejected["key"].to_pylist()):
        return f"{wanted.num_rows} samples planned, {kept.num_rows + rejected.num_rows} found"
    facts = point.facts()
    if not set(zip(*(kept[name].to_pylist() for name in POINT), strict=True)) <= {
        tuple(facts[name] for name in POINT)
    }:
        return f"samples of another point than {point.name}"
    reasons = dict(Counter(rejected["reason"].to_pylist()))
    if (kept.num_rows, reasons) != (record.kept, record.rejected):
        return f"{kept.num_rows} kept and {reasons} in its files, {record.kept} and {record.rejected} by its marker"
    return ""


def _pairs(rows: pa.Table) -> Counter[tuple[int, int]]:
    """How often each key and number is there."""
    return Counter(zip(rows["key"].to_pylist(), rows["number"].to_pylist(), strict=True))
