"""Trying rows again that were rejected for transport reasons: an outage need not be final.

A shard is tried again in its place. The rows that it kept stay as they are; those it rejected for a transport reason
are fetched and labelled, and its files and marker are written anew, with its rows in the order of a first attempt.
Which rows are left follows from the files alone, so a task that dies on the way is simply run again.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.keys import rank
from ldm3d.reject import TRANSPORT
from ldm3d.schema import REJECT, RGBD
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, read_record, read_rows, redone_if_damaged


def rows_to_retry(record: Record) -> int:
    """Count the rows of a shard that were rejected for a transport reason."""
    return sum(count for reason, count in record.rejected.items() if reason in TRANSPORT)


def left_of(output: Folder, shard: str, candidates: pa.Table) -> pa.Table:
    """Select the candidates of a finished shard that are neither kept nor rejected for good."""
    earlier = Earlier.of(output, shard, ["key"])
    settled = np.concatenate([earlier.rgbd["key"].to_numpy(), earlier.final["key"].to_numpy()])
    return candidates.filter(pa.array(~np.isin(candidates["key"].to_numpy(), settled)))


@dataclass(frozen=True)
class Earlier:
    """What earlier attempts at a shard left."""

    rgbd: pa.Table
    """The kept rows, `rgbd/v1`."""
    final: pa.Table
    """The rows that were rejected for good, `reject/v1`."""
    device_seconds: float

    @classmethod
    def of(cls, output: Folder, shard: str, columns: list[str] | None = None) -> "Earlier":
        """Read it from the files of the shard. A damaged one costs the shard its marker.

        Args:
            columns: of the kept rows; None for all.
        """
        with redone_if_damaged(output, shard):
            rgbd = read_rows(output, shard, "rgbd", RGBD, columns)
            rejects = read_rows(output, shard, "rejects", REJECT)
        passing = pc.is_in(rejects["reason"], pa.array(sorted(TRANSPORT)))
        moved = pc.is_in(rejects["key"], rgbd["key"])  # by an attempt that died before it wrote the rejects
        return cls(rgbd, rejects.filter(pc.invert(pc.or_(passing, moved))), read_record(output, shard).device_seconds)

    def joined(self, rgbd: pa.Table, rejects: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
        """Add the kept and the rejected rows of another attempt, in the order of a first one.

        Args:
            seed: that of the plan (`select.seed`), which ranks the rows.
        """
        return _by_rank([rgbd, self.rgbd], seed), _by_rank([rejects, self.final], seed)


def _by_rank(tables: list[pa.Table], seed: int) -> pa.Table:
    rows = pa.concat_tables(tables)  # with the schema metadata of the first
    return rows.take(pa.array(np.argsort(rank(rows["key"].to_numpy(), seed))))
