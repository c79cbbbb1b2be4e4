"""The proof at the end of a stage: every planned row is in the output exactly once, kept or rejected."""

import math
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa
import ray

from ldm3d.schema import REJECT
from pipelines.storage.folder import Folder, is_damage
from pipelines.storage.shards import Record, Shard, check_owner, finished, forget, read_rows

SHARDS_A_TASK = 32  # seconds each on an object store: a task that says nothing for longer looks stuck
REJECTS = "rejects"  # folder of the rejected rows of every stage
Fault = Callable[[pa.Table, pa.Table, pa.Table, Record], str]
"""The planned, kept and rejected rows of a shard, and its record -> what is wrong with them; "" where nothing is."""


class AuditError(RuntimeError):
    """Shards whose files do not hold exactly their planned rows."""


@dataclass(frozen=True)
class Audit:
    """How the shards of a stage are checked: from which columns, and by which rule."""

    source: str
    """URL of the folder in which the shards' planned rows are."""
    output: str
    """URL of the output."""
    folder: str
    """Folder of the kept rows."""
    schema: pa.Schema
    """Schema of the kept rows."""
    planned_columns: tuple[str, ...]
    kept_columns: tuple[str, ...]
    fault: Fault

    def run(self, shards: list[Shard], owner: str, other_files: Iterable[str] = ()) -> dict[str, Record]:
        """Compare the files of an output with the plan and the markers, shard by shard, on the cluster.

        Args:
            other_files: files beside those of the shards that may be in the folders of kept and rejected rows.

        Returns:
            The records in the markers, by shard: the files hold what they say.

        Raises:
            AuditError: files differ from the plan. The markers of those shards are deleted, so that the next run
                makes the shards again.
            TakenOverError: the output belongs to another run.
        """
        output, folders = Folder(self.output), (self.folder, REJECTS)
        planned = {shard.file(folder) for shard in shards for folder in folders} | set(other_files)
        found = [name for folder in folders for name in output.sizes(folder)]
        if strange := [name for name in found if name not in planned and not posixpath.basename(name).startswith(".")]:
            raise AuditError(f"{output.url} holds files that are not in its plan, such as {strange[0]}: remove them")
        records = finished(output, shards, folders)  # the sizes of their files are right
        wrong = {shard.name: "no marker that agrees with its files" for shard in shards if shard.name not in records}
        wrong |= self._faults([shard for shard in shards if shard.name in records], records)
        if wrong:
            check_owner(output, owner)
            forget(output, list(wrong))
            first = ", ".join(f"{name}: {fault}" for name, fault in sorted(wrong.items())[:5])
            raise AuditError(
                f"{len(wrong)} of {len(shards)} shards do not hold exactly their planned rows ({first}). "
                "Something else wrote to the output; run the same command again to redo them."
            )
        return records

    def _faults(self, shards: list[Shard], records: dict[str, Record]) -> dict[str, str]:
        """Find what is wrong with the rows of shards, by name. Shards without a fault are left out."""
        if not shards:
            return {}
        items = [
            {
                "source": shard.source,
                "row_group": -1 if shard.row_group is None else shard.row_group,
                "record": records[shard.name].to_json(),
            }
            for shard in shards
        ]
        blocks = ray.data.from_items(items, override_num_blocks=math.ceil(len(items) / SHARDS_A_TASK))
        checked = blocks.map_batches(self.check, batch_size=None, batch_format="pyarrow")
        return {row["name"]: row["fault"] for row in checked.iter_rows() if row["fault"]}

    def check(self, shards: pa.Table) -> pa.Table:
        """Check the rows of some shards.

        INPUT   source; row_group, -1 for the whole file; record, the JSON of the marker
        OUTPUT  name, fault: "" for a shard that is right
        Fan-out 1:1
        """
        source, output = Folder(self.source), Folder(self.output)
        found = []
        for row in shards.to_pylist():
            record, group = Record.from_json(row["record"]), None if row["row_group"] < 0 else row["row_group"]
            planned = source.read_table(row["source"], columns=list(self.planned_columns), row_group=group)
            try:
                kept = read_rows(output, record.name, self.folder, self.schema, list(self.kept_columns))
                rejected = read_rows(output, record.name, REJECTS, REJECT, ["key", "reason"])
                fault = self.fault(planned, kept, rejected, record)
            except (OSError, pa.ArrowException) as error:
                if not is_damage(error):
                    raise  # of a store
                fault = f"damaged: {' '.join(str(error).split())}"
            found.append({"name": record.name, "fault": fault})
        return pa.Table.from_pylist(found, pa.schema([("name", pa.string()), ("fault", pa.string())]))


def miscounted(kept: pa.Table, rejected: pa.Table, record: Record) -> str:
    """Say in what the files of a shard differ from the counts in its marker; "" where they agree."""
    reasons = dict(Counter(rejected["reason"].to_pylist()))
    if (kept.num_rows, reasons) != (record.kept, record.rejected):
        return f"{kept.num_rows} kept and {reasons} in its files, {record.kept} and {record.rejected} by its marker"
    return ""
