"""The rule of latents: every row of the corpus is there exactly once, in every view that is wanted, or rejected."""

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ldm3d.config import LatentsConfig
from ldm3d.schema import LATENTS
from pipelines.latents.encode_shards import has_flips
from pipelines.storage.shards import Record
from pipelines.workers.audit import Audit, miscounted


def audit_of(config: LatentsConfig) -> Audit:
    """Return the audit of latents, which reads keys and views: latents are checked as they are written."""
    columns = ("key", "flipped")
    return Audit(config.input, config.output, "latents", LATENTS, ("key",), columns, partial(_fault, config=config))


def _fault(planned: pa.Table, kept: pa.Table, rejected: pa.Table, record: Record, config: LatentsConfig) -> str:
    pictures, mirrored = kept.filter(pc.invert(kept["flipped"])), kept.filter(kept["flipped"])
    if not np.array_equal(_keys(planned), _keys(pictures, rejected)):
        return f"{planned.num_rows} rows planned, {pictures.num_rows + rejected.num_rows} found"
    if not np.array_equal(_keys(pictures) if has_flips(record.name, config) else _keys(), _keys(mirrored)):
        return f"{mirrored.num_rows} mirror images of {pictures.num_rows} pictures"
    return miscounted(pictures, rejected, record)


def _keys(*tables: pa.Table) -> NDArray[np.int64]:
    """Return the keys of all tables, sorted."""
    return np.sort(np.concatenate([np.empty(0, np.int64), *(table["key"].to_numpy() for table in tables)]))
