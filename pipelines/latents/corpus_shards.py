"""The files of a finished corpus as shards, for a stage that turns each into one file."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Self

import numpy as np

from pipelines.storage.folder import Folder
from pipelines.storage.inputs import CORPUS, readable, require_finished
from pipelines.storage.row_groups import RowGroups
from pipelines.storage.shards import Shard


@dataclass(frozen=True)
class CorpusShards:
    """What a finished corpus holds."""

    shards: list[Shard]
    """One for each file, sorted by name: `rgbd/train/00042.parquet` is train-00042."""
    identity: dict[str, Any]
    """Differs between corpora, and changes when a corpus does."""

    @classmethod
    def of(cls, url: str, columns: tuple[str, ...]) -> Self:
        """Read the footers of the corpus's files; the state of the run that made it is not needed.

        Args:
            columns: the columns that will be read.

        Raises:
            ValueError: the corpus cannot be read, is not finished, or has more or fewer rows than its marker says.
        """
        corpus = Folder(url)
        with readable(url):
            summary = require_finished(url, CORPUS, ("rebuild_corpus",))
            splits = sorted({PurePosixPath(name).parts[1] for name in corpus.sizes("rgbd", ".parquet")})
            found = {split: RowGroups.of(corpus, "rgbd/v1", split, columns) for split in splits}
        shards = [shard for split, groups in found.items() for shard in _shards(split, groups)]
        rows = sum(shard.rows for shard in shards)
        if rows == 0 or rows != summary.get("rows_kept", rows):
            raise ValueError(
                f"--input {url!r} should hold {summary.get('rows_kept', 'some')} rows, its files hold {rows}: run the "
                "command that made it again to repair it"
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
