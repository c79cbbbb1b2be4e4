"""How well the depth of panoramas agrees with what a metric depth model sees in views of them."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.depth.relative import invert
from ldm3d.fingerprint import fingerprint_of
from ldm3d.immersive.panorama_depth import DIRECTIONS, InverseDepth, estimate_depth
from ldm3d.immersive.sphere import is_panorama
from ldm3d.immersive.tangent_views import TangentViews
from ldm3d.keys import point_seeds
from ldm3d.measures import Batch
from ldm3d.measures.depth_agreement import PEER, DepthAgreement
from ldm3d.metrics.panorama_depth import PanoramaDepth, score_panorama
from ldm3d.models.precision import full_float32
from ldm3d.reject import Rejected

VERSION = 2  # of the alignment and the scores: raise it when numbers change; 2: edges by their own areas
OWN = "panorama_"
Map = NDArray[np.generic]


class PanoramaDepthAgreement:
    """Measures the scores of `ldm3d.metrics.panorama_depth`, float64 columns, at the size of the panorama.

        panorama_abs_rel, panorama_rmse_m, ..., panorama_far    of the sample's own depth
        peer_panorama_abs_rel, ..., peer_panorama_far           of the peer's depth in that picture, if there is a peer

    Reference and peer see tangent views, which are aligned and blended (`ldm3d.immersive.panorama_depth`). A picture
    that is no panorama has NaN in all columns, as has one in which the reference sees nothing; one without depth has
    NaN in all but the peer's.
    """

    def __init__(self, flat: DepthAgreement, views: TangentViews | None = None) -> None:
        """Wrap the models that measure flat pictures."""
        self.flat, self.views = flat, views or TangentViews()
        prefixes = (OWN, f"{PEER}{OWN}") if flat.peer else (OWN,)
        names = [f"{prefix}{name}" for prefix in prefixes for name in PanoramaDepth._fields]
        self.columns = pa.schema([(name, pa.float64()) for name in names])
        self.fingerprint = fingerprint_of("panorama", VERSION, flat.judge, asdict(self.views), DIRECTIONS)

    def __call__(self, batch: Batch) -> pa.Table:
        found = {name: np.full(len(batch), np.nan) for name in self.columns.names}
        config, seeds = self.flat.config, point_seeds(batch.keys, batch.numbers)
        for place, image in enumerate(batch.images):
            reference = self._seen(image, self._inverse_metres, metric=True) if is_panorama(*image.shape[:2]) else None
            if reference is None:
                continue
            with np.errstate(divide="ignore"):  # what is infinitely far is not compared
                distance = 1 / reference
            for prefix, disparity in self._disparities(batch, place):
                scores = score_panorama(
                    disparity, distance, seed=int(seeds[place]), points=config.points, max_depth_m=config.max_depth_m
                )
                for name, value in scores._asdict().items():
                    found[f"{prefix}{name}"][place] = value
        return pa.table(found, schema=self.columns)

    def _disparities(self, batch: Batch, place: int) -> Iterator[tuple[str, Map]]:
        """Yield the maps that are compared with the reference, by the prefix of their columns."""
        if batch.depths is not None:
            yield OWN, batch.depths[place]
        if (peer := self.flat.peer) is not None:
            seen = self._seen(batch.images[place], peer.inverse_depth, metric=peer.inverts)
            if seen is not None:
                yield f"{PEER}{OWN}", seen - seen.min()

    def _inverse_metres(self, views: NDArray[np.uint8]) -> Tensor:
        return invert(self.flat.reference(views))

    def _seen(self, image: NDArray[np.uint8], network: InverseDepth, *, metric: bool) -> NDArray[np.float32] | None:
        """Return inverse distance; None if the network sees nothing in the panorama."""
        size = self.flat.config.batch_size
        try:
            with full_float32():
                return estimate_depth(image, network, metric=metric, views=self.views, batch_size=size)
        except Rejected:
            return None
