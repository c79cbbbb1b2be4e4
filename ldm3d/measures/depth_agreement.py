"""How well the depth of samples agrees with what a metric depth model sees in their pictures (paper, section 4.3)."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ldm3d.config import DepthConfig
from ldm3d.depth.identity import identity_of
from ldm3d.depth.meaning import predicts
from ldm3d.depth.metric import MetricDepthEstimator
from ldm3d.depth.model import load_depth_model
from ldm3d.depth.relative import DepthEstimator
from ldm3d.fingerprint import fingerprint_of
from ldm3d.keys import point_seeds
from ldm3d.measures.batch import Batch
from ldm3d.measures.features import same_size
from ldm3d.metrics.aligned_depth import AlignedDepth, DepthErrors, score_aligned
from ldm3d.metrics.depth_edges import edge_f1
from ldm3d.models.precision import full_float32

RULES = {"": "capped", "_literal": "literal"}
SCORES = (
    *(f"{name}{rule}" for rule in RULES for name in DepthErrors._fields),
    *(name for name in AlignedDepth._fields if name not in RULES.values()),
)
EDGES = "edge_f1"
PEER = "peer_"
ADVICE = 'put "depth_estimation_type": "relative" (larger = nearer) or "metric" (metres) into its config.json'

Disparity = NDArray[np.uint16] | NDArray[np.float32]
Metres = NDArray[np.float32]


class DepthMaps(NamedTuple):
    """The depth maps of one picture, (H, W) float32 metres each, for a figure."""

    reference: Metres
    """What the metric model sees."""
    own: Metres | None
    """The sample's depth, aligned to the reference and capped; NaN if it cannot be aligned, None if there is none."""
    peer: Metres | None
    """The peer's depth, treated likewise."""


class _Seen(NamedTuple):
    """What the networks see in one picture."""

    place: int
    reference: Metres
    disparity: dict[str, Disparity]
    """By column prefix: the sample's own under "", the peer's under `PEER`; either may be absent."""


class DepthAgreement:
    """Measures the scores of `ldm3d.metrics.aligned_depth`, float64 columns, at the size of the picture.

        abs_rel, rmse_m, delta1, silog              with depth capped
        abs_rel_literal, ..., silog_literal         without the pixels beyond infinity
        scale, shift, valid, beyond, far            the alignment; scale is 1 / m per level of 65,535
        edge_f1                                     of aligned depth, both maps capped; only if asked for
        peer_abs_rel, ..., peer_far                 the same for the peer's depth in that picture, if there is a peer

    A picture without depth has NaN in all columns but the peer's. Networks run in float32, on GPUs too. The peer's
    inverse depth is measured from its minimum in the picture, as labels are, so that both are compared on the same
    pixels.
    """

    def __init__(
        self,
        reference: MetricDepthEstimator,
        peer: DepthEstimator | None,
        config: DepthConfig,
        *,
        edges: bool = False,
    ) -> None:
        self.reference, self.peer, self.config, self.edges = reference, peer, config, edges
        prefixes, scores = ("", PEER) if peer else ("",), (*SCORES, *([EDGES] if edges else []))
        self.columns = pa.schema([(f"{prefix}{name}", pa.float64()) for prefix in prefixes for name in scores])
        self.judge = fingerprint_of(
            identity_of(reference), identity_of(peer) if peer else None, config.flip, config.points, config.max_depth_m
        )
        # rows with more columns, but the others are the same
        self.fingerprint = fingerprint_of(self.judge, EDGES) if edges else self.judge

    @classmethod
    def from_pretrained(cls, config: DepthConfig, device: str, *, edges: bool = False) -> Self:
        """Load both models.

        Args:
            edges: whether edges are scored, too.

        Raises:
            ValueError: a model cannot be loaded, or the reference does not predict metric depth.
        """
        reference = MetricDepthEstimator.from_pretrained(
            "--depth.reference", config.reference, config.reference_revision, flip=config.flip, device=device
        )
        if config.peer is None:
            return cls(reference, None, config, edges=edges)
        model, processor = load_depth_model("--depth.peer", config.peer, config.peer_revision, torch.float32)
        inverts = predicts(model.config, advice=ADVICE) == "depth"
        peer = DepthEstimator(model.to(device), processor, inverts=inverts)
        return cls(reference, peer, config, edges=edges)

    def __call__(self, batch: Batch) -> pa.Table:
        found = {name: np.full(len(batch), np.nan) for name in self.columns.names}
        seeds = point_seeds(batch.keys, batch.numbers)
        for seen in self._seen(batch):
            for prefix, disparity in seen.disparity.items():
                aligned = self._aligned(disparity, seen.reference, seeds[seen.place])
                for name, value in _scores(aligned).items():
                    found[f"{prefix}{name}"][seen.place] = value
                if self.edges:
                    capped = np.minimum(seen.reference, self.config.max_depth_m)
                    found[f"{prefix}{EDGES}"][seen.place] = edge_f1(self._metres(disparity, aligned), capped)
        return pa.table(found, schema=self.columns)

    def maps(self, batch: Batch) -> list[DepthMaps]:
        """Return the N maps that `__call__` compares, in the order of the batch."""
        seeds = point_seeds(batch.keys, batch.numbers)
        found: dict[int, DepthMaps] = {}
        for place, reference, disparity in self._seen(batch):
            metres = {
                prefix: self._metres(values, self._aligned(values, reference, seeds[place]))
                for prefix, values in disparity.items()
            }
            found[place] = DepthMaps(reference, metres.get(""), metres.get(PEER))
        return [found[place] for place in range(len(batch))]

    def _seen(self, batch: Batch) -> Iterator[_Seen]:
        for places in same_size(batch.images, self.config.batch_size):
            images = np.stack([batch.images[place] for place in places])
            metres = self.reference(images).cpu().numpy()
            others = self._peers(images) if self.peer else None
            for row, place in enumerate(places):
                disparity: dict[str, Disparity] = {}
                if batch.depths is not None:
                    disparity[""] = batch.depths[place]
                if others is not None:
                    disparity[PEER] = others[row]
                yield _Seen(place, metres[row], disparity)

    def _peers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self.peer is not None
        with full_float32():
            found = self.peer.inverse_depth(images)
        return (found - found.amin((1, 2), keepdim=True)).cpu().numpy()

    def _aligned(self, disparity: Disparity, reference: Metres, seed: np.int64) -> AlignedDepth:
        points, cap = self.config.points, self.config.max_depth_m
        return score_aligned(disparity, reference, seed=int(seed), points=points, max_depth_m=cap)

    def _metres(self, disparity: Disparity, aligned: AlignedDepth) -> Metres:
        inverse = aligned.scale * disparity.astype(np.float64) + aligned.shift
        return (1 / np.maximum(inverse, 1 / self.config.max_depth_m)).astype(np.float32)


def _scores(aligned: AlignedDepth) -> dict[str, float]:
    """Flatten to one number per column: the errors under both rules, then the rest."""
    found = aligned._asdict()
    errors = {f"{name}{rule}": value for rule, of in RULES.items() for name, value in found.pop(of)._asdict().items()}
    return errors | found
