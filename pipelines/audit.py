"""The proof at the end: every planned row is in the output exactly once, kept or rejected."""

from functools import partial

import numpy as np
import pyarrow as pa
import ray

from pipelines.commit import Shard, check_owner, forget
from pipelines.storage import Folder


class AuditError(RuntimeError):
    """Shards whose files do not hold exactly their planned rows."""


def audit(shards: list[Shard], source: Folder, output: Folder, run: str) -> None:
    """Compare the files of the output with the plan, and the keys in them, shard by shard, on the cluster.

    Raises:
        AuditError: they differ somewhere. The markers of those shards are gone then, so that the next run redoes them.
        TakenOverError: the output belongs to another run.
    """
    planned = {shard.file(contract) for shard in shards for contract in ("rgbd", "rejects")}
    found = [*output.sizes("rgbd"), *output.sizes("rejects")]
    strange = [name for name in found if name not in planned and not name.startswith("rejects/select/")]
    if strange := [name for name in strange if not name.endswith(".tmp")]:
        raise AuditError(f"{output.url} holds files that are not in its plan, as {strange[0]}: take them away")
    if not shards:
        return
    items = [
        {"name": s.name, "source": s.source, "row_group": -1 if s.row_group is None else s.row_group} for s in shards
    ]
    checked = ray.data.from_items(items, override_num_blocks=min(len(items), 200)).map_batches(
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
    """Shards -> name, fault: "" for a shard that holds its rows exactly once."""
    source, output = Folder(source_url), Folder(output_url)
    faults = []
    for row in shards.to_pylist():
        shard = Shard(row["name"], row["source"], None if row["row_group"] < 0 else row["row_group"], 0)
        wanted = source.read_table(shard.source, columns=["key"], row_group=shard.row_group)["key"].to_numpy()
        files = [name for name in (shard.file("rgbd"), shard.file("rejects")) if output.exists(name)]
        parts = [output.read_table(name, columns=["key"])["key"].to_numpy() for name in files]
        got = np.concatenate([np.empty(0, np.int64), *parts])
        same = np.array_equal(np.sort(wanted), np.sort(got))
        faults.append("" if same else f"{len(wanted)} rows planned, {len(got)} found, {len(np.unique(got))} distinct")
    return pa.table({"name": shards["name"], "fault": pa.array(faults, pa.string())})
