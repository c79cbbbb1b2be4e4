"""Places of a finished output that do not hold their files any more."""

import json
from collections import defaultdict
from functools import partial

import pyarrow as pa

from ldm3d.schema import PLACES
from pipelines.storage.folder import Folder, concurrently, is_damage
from pipelines.storage.shards import Shard, read_rows
from pipelines.views.render_shards import FILES, FOLDERS

Held = dict[str, dict[str, int]]
"""Sizes of files by name, by folder."""


def shards_with_lost_files(output: Folder, shards: list[Shard]) -> list[str]:
    """Return the names of the shards of whose places files are missing or have other sizes than were written.

    All places are listed at once. Files that nobody wrote are left to the audit.
    """
    held: Held = defaultdict(dict)
    for name, size in output.sizes(FILES).items():
        folder, _, file = name.rpartition("/")
        held[folder][file] = size
    found = concurrently(partial(_has_lost, output, held), shards)
    return [shard.name for shard, is_lost in zip(shards, found, strict=True) if is_lost]


def _has_lost(output: Folder, held: Held, shard: Shard) -> bool:
    try:
        rows = read_rows(output, shard.name, FOLDERS[0], PLACES, ["folder", "files"]).to_pylist()
    except (OSError, pa.ArrowException) as error:
        if not is_damage(error):
            raise  # of a store
        return True
    return any(not json.loads(row["files"]).items() <= held.get(row["folder"], {}).items() for row in rows)
