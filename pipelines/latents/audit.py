"""The proof at the end: every row of the corpus is in the latents exactly once, or rejected."""

import json
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ldm3d.config import LatentsConfig
from ldm3d.schema import LATENTS, REJECT
from pipelines.latents.encode_shards import CONTRACTS, has_flips
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard, shard_file
from pipelines.workers.audit import audit_shards, columns_of, damage_or_raise


def audit_latents(shards: list[Shard], config: LatentsConfig, run: str) -> dict[str, Record]:
    """Compare the files of the output with those of the corpus and the markers.

    Returns:
        The records in the markers, by shard: what they say is what the files hold.

    Raises:
        AuditError, TakenOverError: as `pipelines.corpus.audit.audit`.
    """
    planned = {shard.file(contract) for shard in shards for contract in CONTRACTS}
    return audit_shards(shards, planned, partial(check, config=config), Folder(config.output), run, CONTRACTS)


def check(shards: pa.Table, config: LatentsConfig) -> pa.Table:
    """Shards -> name, fault: "" for a shard that holds each of its rows once, in every view that is wanted of it."""
    corpus, output = Folder(config.input), Folder(config.output)
    found = []
    for row in shards.to_pylist():
        record = Record(**json.loads(row["record"]))
        wanted = corpus.read_table(row["source"], columns=["key"])
        try:
            kept = columns_of(output, shard_file(record.name, "latents"), LATENTS, ["key", "flipped"])
            rejected = columns_of(output, shard_file(record.name, "rejects"), REJECT, ["key"])
            fault = _fault(wanted, kept, rejected, record, config)
        except (OSError, pa.ArrowException) as error:
            fault = damage_or_raise(error)
        found.append({"name": record.name, "fault": fault})
    return pa.Table.from_pylist(found, pa.schema([("name", pa.string()), ("fault", pa.string())]))


def _fault(wanted: pa.Table, kept: pa.Table, rejected: pa.Table, record: Record, config: LatentsConfig) -> str:
    pictures, mirrored = kept.filter(pc.invert(kept["flipped"])), kept.filter(kept["flipped"])
    if not np.array_equal(_keys(wanted), _keys(pictures, rejected)):
        return f"{wanted.num_rows} rows planned, {pictures.num_rows + rejected.num_rows} found"
    if not np.array_equal(_keys(pictures) if has_flips(record.name, config) else _keys(), _keys(mirrored)):
        return f"{mirrored.num_rows} mirror images of {pictures.num_rows} pictures"
    if pictures.num_rows != record.kept:
        return f"{pictures.num_rows} kept in its files, {record.kept} by its marker"
    return ""


def _keys(*tables: pa.Table) -> NDArray[np.int64]:
    """Sorted."""
    return np.sort(np.concatenate([np.empty(0, np.int64), *(table["key"].to_numpy() for table in tables)]))
