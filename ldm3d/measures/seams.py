"""How visible the seams of panoramas are, in the picture and in depth."""

import numpy as np
import pyarrow as pa

from ldm3d.fingerprint import fingerprint_of
from ldm3d.measures.batch import Batch
from ldm3d.metrics.seam import seam_ratio


class Seams:
    """Measures `ldm3d.metrics.seam`, without any weights, in the manner of a network.

    seam_ratio          of the picture
    depth_seam_ratio    of its depth; NaN if it has none
    """

    columns = pa.schema([("seam_ratio", pa.float64()), ("depth_seam_ratio", pa.float64())])
    fingerprint = fingerprint_of("seams", 1)  # raise it when numbers change

    def __call__(self, batch: Batch) -> pa.Table:
        depths = batch.depths if batch.depths is not None else [None] * len(batch)
        found = {
            "seam_ratio": [seam_ratio(image) for image in batch.images],
            "depth_seam_ratio": [np.nan if depth is None else seam_ratio(depth) for depth in depths],
        }
        return pa.table(found, schema=self.columns)
