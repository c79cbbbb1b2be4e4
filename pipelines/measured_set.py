"""What one measure says of one set of pictures, and which of these count."""

from dataclasses import dataclass

import numpy as np
import ray
from numpy.typing import NDArray

from pipelines.audit import AuditError
from pipelines.commit import Shard
from pipelines.evaluate_plan import Measured, picture_names
from pipelines.feature_rows import Chosen, FeatureRows, measured_names


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """
    rows: of the pictures that count. chosen: these. excluded: how many more would count, had they been readable.
    """

    rows: FeatureRows
    chosen: Chosen
    excluded: int

    @classmethod
    def of(
        cls,
        measured: Measured,
        url: str,
        shards: list[Shard],
        count: int | None = None,
        among: NDArray[np.int64] | None = None,
    ) -> "MeasuredSet":
        """
        Args:
            url, shards: where what was measured of it is.
            count, among: see `Chosen.of`.

        Raises:
            AuditError: the features are of other pictures than those of the set.
            ValueError: fewer than two pictures are left.
        """
        names, found = picture_names(measured), measured_names(url, shards)
        planned = Chosen.of(*names)
        if len(planned.only(*found)) != len(found[0]):
            raise AuditError(
                f"{url}/features holds others than the pictures of {measured.pictures.url}, or some twice: "
                "something else wrote there; remove features/ and _state/shards/, and run the same command again"
            )
        wanted = Chosen.of(*names, count, among)
        chosen = wanted.only(*found)
        if len(chosen) < 2:
            raise ValueError(
                f"{measured.pictures.url!r}: {len(chosen)} of its {measured.pictures.rows} pictures are left, wanted "
                "two or more; see --pictures.keys, --pictures.count, and rejects/ of the output"
            )
        return cls(FeatureRows(url, shards, ray.put(chosen)), chosen, len(wanted) - len(chosen))
