"""The plan of a corpus: its shards, and what planning counted, kept beside the corpus.

_state/plan.parquet   the shards
_state/plan.json      the counts, and the files that came of planning; written last
"""

import json
import logging
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from pipelines.storage.folder import DamagedError, Folder, is_damage
from pipelines.storage.shards import LostRowsError, Shard

logger = logging.getLogger(__name__)

PLAN, SHARDS = "_state/plan.json", "_state/plan.parquet"
CONTRACTS = ("rgbd", "rejects")  # folders of a corpus: of its kept and its rejected rows
FILES = ("_state/candidates", "rejects/select")  # folders of what comes of planning


@dataclass(frozen=True)
class Plan:
    """What is to be done.  rows_read = sum of the shards' rows + sum of rejected.

    files: those that came of planning, with their sizes in bytes: candidates, and rejects of the selection.
    """

    shards: list[Shard]
    rows_read: int
    rejected: dict[str, int]
    files: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        planned = sum(shard.rows for shard in self.shards) + sum(self.rejected.values())
        if planned != self.rows_read:
            raise LostRowsError(
                f"{self.rows_read} metadata rows by the files' footers, but {planned} were planned or rejected: "
                "rows were lost or doubled, or the input changed while it was read"
            )


def save_plan(plan: Plan, output: Folder) -> None:
    """The plan beside the output; `plan.json` last, as it says that the rest is whole."""
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
    """The plan of an earlier run. None where none was finished, or it is damaged: planning makes it again."""
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
    logger.warning("the plan of %s is damaged and is made again: %s", output.url, " ".join(reason.split()))
    return None


def is_whole(plan: Plan, output: Folder) -> bool:
    """Whether the files that came of planning are there as they were written; planning again would write the same."""
    present = planned_files(output)
    return all(present.get(name) == size for name, size in plan.files.items())


def planned_files(output: Folder) -> dict[str, int]:
    return {name: size for folder in FILES for name, size in output.sizes(folder, ".parquet").items()}
