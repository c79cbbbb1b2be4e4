"""The plan of a corpus: its shards and what planning counted, kept in the output's `_state/`.

_state/plan.parquet   the shards
_state/plan.json      the counts, and the files that planning wrote; written last
"""

import json
import logging
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from pipelines.storage.folder import DamagedError, Folder, is_damage
from pipelines.storage.shards import LostRowsError, Shard

logger = logging.getLogger(__name__)

PLAN, SHARDS = "_state/plan.json", "_state/plan.parquet"
FOLDERS = ("rgbd", "rejects")  # folders of a corpus: of its kept and its rejected rows
SELECTED_OUT = "rejects/select"  # folder of the rows that the selection rejects
PICTURES = "_state/pictures"  # folder of the pictures that were in tables
FILES = ("_state/candidates", SELECTED_OUT)  # folders of the parquet files that planning writes


@dataclass(frozen=True)
class Plan:
    """The shards to make, and the rows that were rejected already.

    Raises:
        LostRowsError: the rows of the shards and the rejected ones do not add up to those read.
    """

    shards: list[Shard]
    rows_read: int
    rejected: dict[str, int]
    """Counts by reason."""
    files: dict[str, int] = field(default_factory=dict)
    """Bytes by file: the candidates, the rejects of the selection, and the pictures that were in tables."""

    def __post_init__(self) -> None:
        planned = sum(shard.rows for shard in self.shards) + sum(self.rejected.values())
        if planned != self.rows_read:
            raise LostRowsError(
                f"{self.rows_read} metadata rows by the files' footers, but {planned} were planned or rejected: "
                "rows were lost or doubled, or the input changed while it was read"
            )


def save_plan(plan: Plan, output: Folder) -> None:
    """Write the plan into the output. `plan.json` comes last: it says that the rest is complete."""
    shards = pa.Table.from_pylist(
        [asdict(shard) for shard in plan.shards],
        schema=pa.schema(
            [("name", pa.string()), ("source", pa.string()), ("row_group", pa.int32()), ("rows", pa.int64())]
        ),
    )
    output.write_tables(SHARDS, [shards])
    rest = {name: value for name, value in asdict(plan).items() if name != "shards"}
    output.write(PLAN, json.dumps(rest).encode())


def load_plan(output: Folder) -> Plan | None:
    """Read the plan of an earlier run. None where there is none or it is damaged: planning makes it again."""
    if not output.exists(PLAN):
        return None
    try:
        shards = [Shard(**row) for row in output.read_table(SHARDS).to_pylist()]
        return Plan(shards, **output.read_json(PLAN))
    except (OSError, pa.ArrowException) as error:
        if not (is_damage(error) or isinstance(error, FileNotFoundError)):
            raise
        reason = str(error)
    except (DamagedError, LostRowsError, TypeError) as error:
        reason = str(error)
    logger.warning("the plan of %s is damaged and will be made again: %s", output.url, " ".join(reason.split()))
    return None


def is_whole(plan: Plan, output: Folder) -> bool:
    """Check that the files that planning wrote are still there. Planning again would write the same."""
    present = planned_files(output)
    return all(present.get(name) == size for name, size in plan.files.items())


def planned_files(output: Folder) -> dict[str, int]:
    tables = {name: size for folder in FILES for name, size in output.sizes(folder, ".parquet").items()}
    return tables | output.sizes(PICTURES)
