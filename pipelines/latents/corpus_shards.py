"""The files of a finished corpus as shards, for a stage that makes one file of each."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Self

import numpy as np

from pipelines.storage.folder import Folder
from pipelines.storage.inputs import require_finished
from pipelines.storage.row_groups import RowGroups
from pipelines.storage.shards import Shard


@dataclass(frozen=True)
class CorpusShards:
    """What a finished corpus holds.

    shards: a file each, `rgbd/train/00042.parquet` as train-00042, sorted by name.
    identity: what tells this corpus from another, and from itself changed.
    """

    shards: list[Shard]
    identity: dict[str, Any]

    @classmethod
    def of(cls, url: str, columns: tuple[str, ...]) -> Self:
        """Reads the footers of its files, and no state of the run that made it.

        Args:
            columns: that are needed.

        Raises:
            ValueError: the corpus cannot be read, is not finished, or does not hold the rows that it says.
        """
        corpus = Folder(url)
        try:
            summary = require_finished(url, "a finished corpus")
            splits = sorted({PurePosixPath(name).parts[1] for name in corpus.sizes("rgbd", ".parquet")})
            found = {split: RowGroups.of(corpus, "rgbd/v1", split, columns) for split in splits}
        except OSError as error:
            raise ValueError(f"--input {url!r} cannot be read: {error}") from error
        shards = [shard for split, groups in found.items() for shard in _shards(split, groups)]
        rows = sum(shard.rows for shard in shards)
        if rows == 0 or rows != summary.get("rows_kept", rows):
            raise ValueError(
                f"--input {url!r} says that it holds {summary.get('rows_kept', 'some')} rows, its files hold {rows}: "
                "run the command that made it again to mend it"
            )
        prints = {split: groups.fingerprint for split, groups in found.items()}
        return cls(shards, {"corpus": summary, "data": prints})


def _shards(split: str, groups: RowGroups) -> list[Shard]:
    rows = np.bincount(groups.file, groups.rows, len(groups.files)).astype(int).tolist()
    return [
        Shard(f"{split}-{PurePosixPath(file).stem}", file, None, count)
        for file, count in zip(groups.files, rows, strict=True)
        if count
    ]
