"""What one network measured of a subject, and which of its pictures count."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import ray

from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.feature_rows import FOLDERS, FeatureRows, read_names
from pipelines.evaluation.subjects import Subject
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard, finished
from pipelines.workers.audit import AuditError


@dataclass(frozen=True, eq=False)
class Features:
    """The measurements of one network for one subject."""

    rows: FeatureRows
    """Rows of the pictures that count."""
    chosen: Chosen
    """These pictures."""
    excluded: int
    """How many more pictures would count if they had been readable."""

    @classmethod
    def of(cls, subject: Subject, url: str, shards: list[Shard], wanted: Chosen) -> Self:
        """Check the committed shards and choose from them.

        Args:
            url: the output that holds the shards.
            wanted: the pictures that count.

        Raises:
            AuditError: the shards do not hold each picture of the subject once.
            ValueError: fewer than two pictures are left.
        """
        keys, numbers = read_names(url, shards)
        places = Chosen.of(*subject.pictures.names()).places(keys, numbers)
        records = finished(Folder(url), shards, FOLDERS)
        kept = sum(record.kept for record in records.values())
        is_whole = len(records) == len(shards) and len(keys) == kept
        if not is_whole or (places < 0).any() or len(np.unique(places)) < len(places):
            raise AuditError(
                f"{url}/features does not hold each picture of {subject.pictures.url} once: something else wrote "
                "there; remove features/ and _state/shards/, and run the same command again"
            )
        chosen = wanted.only(keys, numbers)
        if len(chosen) < 2:
            raise ValueError(
                f"{subject.pictures.url!r}: pictures that could be read: {len(chosen)} of {subject.pictures.rows}, "
                "wanted two or more; see rejects/ of the output"
            )
        return cls(FeatureRows(url, shards, ray.put(chosen)), chosen, len(wanted) - len(chosen))
