"""What one measure says of one set of pictures, and which of these count."""

from dataclasses import dataclass

import numpy as np
import ray

from pipelines.evaluation.feature_rows import CONTRACTS, Chosen, FeatureRows, measured_names
from pipelines.evaluation.measured import Measured
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard, finished
from pipelines.workers.audit import AuditError


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """
    rows: of the pictures that count. chosen: these. excluded: how many more would count, had they been readable.
    """

    rows: FeatureRows
    chosen: Chosen
    excluded: int

    @classmethod
    def of(cls, measured: Measured, url: str, shards: list[Shard], wanted: Chosen) -> "MeasuredSet":
        """
        Args:
            url, shards: where what was measured of it is.
            wanted: the pictures that count.

        Raises:
            AuditError: the features are not those of each picture of the set once.
            ValueError: fewer than two pictures are left.
        """
        keys, numbers = measured_names(url, shards)
        places = Chosen.of(*measured.pictures.names()).places(keys, numbers)
        records = finished(Folder(url), shards, CONTRACTS)
        kept = sum(record.kept for record in records.values())
        if (
            len(records) < len(shards)
            or len(keys) != kept
            or (places < 0).any()
            or len(np.unique(places)) < len(places)
        ):
            raise AuditError(
                f"{url}/features does not hold each picture of {measured.pictures.url} once: something else wrote "
                "there; remove features/ and _state/shards/, and run the same command again"
            )
        chosen = wanted.only(keys, numbers)
        if len(chosen) < 2:
            raise ValueError(
                f"{measured.pictures.url!r}: {len(chosen)} of its {measured.pictures.rows} pictures could be read, "
                "wanted two or more; see rejects/ of the output"
            )
        return cls(FeatureRows(url, shards, ray.put(chosen)), chosen, len(wanted) - len(chosen))
