"""The corpus's proof at the end: every planned row is in it exactly once, kept in its split or rejected."""

import json
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.schema import REJECT, RGBD
from pipelines.corpus.plan import Plan
from pipelines.storage.folder import Folder
from pipelines.storage.shards import CORPUS, Record, shard_file
from pipelines.workers.audit import audit_shards, columns_of, damage_or_raise


def audit(plan: Plan, source: Folder, output: Folder, run: str) -> dict[str, Record]:
    """Compare the files of the output with the plan and the markers: shard by shard, on the cluster, to the keys.

    Returns:
        The records in the markers, by shard: what they say is what the files hold.

    Raises:
        AuditError: they differ somewhere. The markers of those shards are gone then, so that the next run redoes them.
        TakenOverError: the output belongs to another run.
    """
    planned = {shard.file(contract) for shard in plan.shards for contract in CORPUS} | plan.files.keys()
    return audit_shards(
        plan.shards, planned, partial(check, source_url=source.url, output_url=output.url), output, run
    )


def check(shards: pa.Table, source_url: str, output_url: str) -> pa.Table:
    """Shards -> name, fault: "" for a shard that holds its rows exactly once, and the kept ones in its split.

    Keys, splits and reasons alone are read: that pictures are there, and of the right type, is checked where they are
    written.
    """
    source, output = Folder(source_url), Folder(output_url)
    found = []
    for row in shards.to_pylist():
        record, group = Record(**json.loads(row["record"])), row["row_group"]
        wanted = source.read_table(row["source"], columns=["key"], row_group=None if group < 0 else group)["key"]
        try:
            kept = columns_of(output, shard_file(record.name, "rgbd"), RGBD, ["key", "split"]).to_pydict()
            rejected = columns_of(output, shard_file(record.name, "rejects"), REJECT, ["key", "reason"]).to_pydict()
            fault = _fault(wanted.to_numpy(), kept, rejected, record)
        except (OSError, pa.ArrowException) as error:
            fault = damage_or_raise(error)
        found.append({"name": record.name, "fault": fault})
    return pa.Table.from_pylist(found, pa.schema([("name", pa.string()), ("fault", pa.string())]))


def _fault(
    wanted: NDArray[np.int64], kept: dict[str, list[Any]], rejected: dict[str, list[Any]], record: Record
) -> str:
    got, split = kept["key"] + rejected["key"], record.name.rsplit("-", 1)[0]
    if not np.array_equal(np.sort(wanted), np.sort(np.array(got, np.int64))):
        return f"{len(wanted)} rows planned, {len(got)} found, {len(set(got))} distinct"
    if strange := set(kept["split"]) - {split}:
        return f"rows of the split {min(strange)}"
    reasons = dict(Counter(rejected["reason"]))
    if (len(kept["key"]), reasons) != (record.kept, record.rejected):
        return f"{len(kept['key'])} kept and {reasons} in its files, {record.kept} and {record.rejected} by its marker"
    return ""
