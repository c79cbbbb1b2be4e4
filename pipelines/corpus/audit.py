"""The rule of a corpus: every planned row is in it exactly once, kept in its split or rejected."""

import numpy as np
import pyarrow as pa

from ldm3d.schema import RGBD
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record
from pipelines.workers.audit import Audit, miscounted


def audit_of(source: Folder, output: Folder) -> Audit:
    """Keys, splits and reasons alone are read: pictures are checked where they are written."""
    return Audit(source.url, output.url, "rgbd", RGBD, ("key",), ("key", "split"), _fault)


def _fault(planned: pa.Table, kept: pa.Table, rejected: pa.Table, record: Record) -> str:
    got = kept["key"].to_pylist() + rejected["key"].to_pylist()
    if not np.array_equal(np.sort(planned["key"].to_numpy()), np.sort(np.array(got, np.int64))):
        return f"{planned.num_rows} rows planned, {len(got)} found, {len(set(got))} distinct"
    if strange := set(kept["split"].to_pylist()) - {record.split}:
        return f"rows of the split {min(strange)}"
    return miscounted(kept, rejected, record)
