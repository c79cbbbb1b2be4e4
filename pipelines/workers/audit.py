"""The proof at the end: every planned row is in the output exactly once, kept in its split or rejected."""

import json
import posixpath
from collections.abc import Callable
from dataclasses import asdict

import pyarrow as pa
import ray

from pipelines.storage.folder import Folder, is_damage
from pipelines.storage.shards import CORPUS, Record, Shard, check_owner, finished, forget

SHARDS_A_TASK = 32  # seconds each on an object store: a task that says nothing for longer looks stuck


class AuditError(RuntimeError):
    """Shards whose files do not hold exactly their planned rows."""


def audit_shards(
    shards: list[Shard],
    planned: set[str],
    check: Callable[[pa.Table], pa.Table],
    output: Folder,
    run: str,
    contracts: tuple[str, str] = CORPUS,
) -> dict[str, Record]:
    """What `audit` does, for any stage.

    Args:
        planned: the files that may be in the folders of `contracts`.
        check: shards (source; row_group, -1 for the whole file; record, JSON) -> name, fault: "" where it is right.
        contracts: of the rows that are kept, and of the others.
    """
    found = [name for contract in contracts for name in output.sizes(contract)]
    if strange := [name for name in found if name not in planned and not posixpath.basename(name).startswith(".")]:
        raise AuditError(f"{output.url} holds files that are not in its plan, as {strange[0]}: take them away")
    records = finished(output, shards, contracts)  # whose files have the sizes that the markers say
    wrong = {shard.name: "no marker that agrees with its files" for shard in shards if shard.name not in records}
    wrong |= _faults([shard for shard in shards if shard.name in records], records, check)
    if wrong:
        check_owner(output, run)
        forget(output, list(wrong))
        first = ", ".join(f"{name}: {fault}" for name, fault in sorted(wrong.items())[:5])
        raise AuditError(
            f"{len(wrong)} of {len(shards)} shards do not hold exactly their planned rows ({first}). "
            "Something else wrote to the output; run the same command again to redo them."
        )
    return records


def _faults(shards: list[Shard], records: dict[str, Record], check: Callable[[pa.Table], pa.Table]) -> dict[str, str]:
    """What is wrong with the rows of shards, by name; nothing is said of those that are right."""
    if not shards:
        return {}
    items = [
        {
            "source": shard.source,
            "row_group": -1 if shard.row_group is None else shard.row_group,
            "record": json.dumps(asdict(records[shard.name])),
        }
        for shard in shards
    ]
    blocks = ray.data.from_items(items, override_num_blocks=-(-len(items) // SHARDS_A_TASK))
    checked = blocks.map_batches(check, batch_size=None, batch_format="pyarrow")
    return {row["name"]: row["fault"] for row in checked.iter_rows() if row["fault"]}


def damage_or_raise(error: Exception) -> str:
    """What is wrong with a file that was read and found broken; whatever else a store fails with is raised again."""
    if not is_damage(error):
        raise error
    return f"damaged: {' '.join(str(error).split())}"


def columns_of(output: Folder, name: str, schema: pa.Schema, columns: list[str]) -> pa.Table:
    """Columns of a file, empty where it is absent, as it is without rows."""
    if not output.exists(name):
        return schema.empty_table().select(columns)
    return output.read_table(name, columns=columns)
