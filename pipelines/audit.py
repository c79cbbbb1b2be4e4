"""The proof at the end: every planned row is in the output exactly once, kept in its split or rejected."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from pipelines.commit import CORPUS, Shard, check_owner, forget
from pipelines.storage import Folder

SHARDS_A_TASK = 32  # seconds each on an object store: a task that says nothing for longer looks stuck


class AuditError(RuntimeError):
    """Shards whose files do not hold exactly their planned rows."""


def audit(shards: list[Shard], source: Folder, output: Folder, run: str) -> None:
    """Compare the files of the output with the plan, and the keys in them, shard by shard, on the cluster.

    Raises:
        AuditError: they differ somewhere. The markers of those shards are gone then, so that the next run redoes them.
        TakenOverError: the output belongs to another run.
    """
    planned = {shard.file(contract) for shard in shards for contract in CORPUS}
    found = [name for contract in CORPUS for name in output.sizes(contract)]
    strange = [name for name in found if name not in planned and not name.startswith("rejects/select/")]
    if strange := [name for name in strange if not name.endswith(".tmp")]:
        raise AuditError(f"{output.url} holds files that are not in its plan, as {strange[0]}: take them away")
    if not shards:
        return
    items = [
        {"name": s.name, "source": s.source, "row_group": -1 if s.row_group is None else s.row_group} for s in shards
    ]
    checked = ray.data.from_items(items, override_num_blocks=-(-len(items) // SHARDS_A_TASK)).map_batches(
        partial(check, source_url=source.url, output_url=output.url), batch_size=None, batch_format="pyarrow"
    )
    wrong = {row["name"]: row["fault"] for row in checked.iter_rows() if row["fault"]}
    if wrong:
        check_owner(output, run)
        forget(output, list(wrong))
        first = ", ".join(f"{name}: {fault}" for name, fault in sorted(wrong.items())[:5])
        raise AuditError(
            f"{len(wrong)} of {len(shards)} shards do not hold exactly their planned rows ({first}). "
            "Something else wrote to the output; run the same command again to redo them."
        )


def check(shards: pa.Table, source_url: str, output_url: str) -> pa.Table:
    """Shards -> name, fault: "" for a shard that holds its rows exactly once, and the kept ones in its split.

    Keys and splits alone are read: that pictures are there, and of the right type, is checked where they are written.
    """
    source, output = Folder(source_url), Folder(output_url)
    faults = []
    for row in shards.to_pylist():
        shard = Shard(row["name"], row["source"], None if row["row_group"] < 0 else row["row_group"], 0)
        wanted = source.read_table(shard.source, columns=["key"], row_group=shard.row_group)["key"].to_numpy()
        kept = _columns(output, shard.file("rgbd"), ["key", "split"])
        rejected = _columns(output, shard.file("rejects"), ["key"])
        split, _ = shard.name.rsplit("-", 1)
        faults.append(_fault(wanted, kept["key"] + rejected["key"], set(kept["split"]) - {split}))
    return pa.table({"name": shards["name"], "fault": pa.array(faults, pa.string())})


def _columns(output: Folder, name: str, columns: list[str]) -> dict[str, list[Any]]:
    """Columns of a file, empty where it is absent, as it is without rows."""
    if not output.exists(name):
        return {column: [] for column in columns}
    return dict(output.read_table(name, columns=columns).to_pydict())


def _fault(wanted: NDArray[np.int64], got: list[int], strange_splits: set[str]) -> str:
    if not np.array_equal(np.sort(wanted), np.sort(np.array(got, np.int64))):
        return f"{len(wanted)} rows planned, {len(got)} found, {len(set(got))} distinct"
    return f"rows of the split {min(strange_splits)}" if strange_splits else ""
