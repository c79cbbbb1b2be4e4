"""How samples' depth agrees with what a metric depth model sees in their pictures (paper, section 4.3)."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ldm3d.config import DepthConfig
from ldm3d.depth.metric import MetricDepthEstimator
from ldm3d.depth.relative import DepthEstimator, load_depth_model, predicts
from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network
from ldm3d.keys import point_seeds
from ldm3d.measures.batch import Batch
from ldm3d.measures.features import same_size
from ldm3d.metrics.aligned_depth import AlignedDepth, DepthErrors, score_aligned
from ldm3d.models.precision import full_float32

RULES = {"": "capped", "_literal": "literal"}
FIGURES = (
    *(f"{name}{rule}" for rule in RULES for name in DepthErrors._fields),
    *(name for name in AlignedDepth._fields if name not in RULES.values()),
)
PEER = "peer_"
ADVICE = 'put "depth_estimation_type": "relative" (larger = nearer) or "metric" (metres) into its config.json'

Disparity = NDArray[np.uint16] | NDArray[np.float32]
Metres = NDArray[np.float32]


class DepthMaps(NamedTuple):
    """One picture's depth for the eye, (H, W) float32 metres each.

    reference: what the metric model sees.
    own, peer: aligned to it and capped; NaN where they are not valid. None where there is no such depth.
    """

    reference: Metres
    own: Metres | None
    peer: Metres | None


class _Seen(NamedTuple):
    """What networks see in one picture. disparity: of the sample itself (""), of the peer, or of neither."""

    place: int
    reference: Metres
    disparity: dict[str, Disparity]


class DepthAgreement:
    """The measure, float64 columns of `ldm3d.metrics.aligned_depth`, at the size of the picture.

        abs_rel, rmse_m, delta1, silog              capped
        abs_rel_literal, ..., silog_literal         pixels beyond infinity left out
        scale, shift, valid, beyond, far            of the alignment; scale is 1 / m for a level of 65,535
        peer_abs_rel, ..., peer_far                 of what the peer sees in the same picture, if there is one

    All of a picture without depth but for the peer's are NaN. Networks answer in float32 on GPUs too. The peer's
    inverse depth is taken above its least in the picture, as labels are, so that both are compared on the same pixels.
    """

    def __init__(self, reference: MetricDepthEstimator, peer: DepthEstimator | None, config: DepthConfig) -> None:
        self.reference, self.peer, self.config = reference, peer, config
        prefixes = ("", PEER) if peer else ("",)
        self.columns = pa.schema([(f"{prefix}{name}", pa.float64()) for prefix in prefixes for name in FIGURES])
        self.fingerprint = fingerprint_of(
            _identity(reference), _identity(peer) if peer else None, config.flip, config.points, config.max_depth_m
        )

    @classmethod
    def from_pretrained(cls, config: DepthConfig, device: str) -> Self:
        """
        Raises:
            ValueError: a model cannot be loaded; or the reference does not predict metric depth.
        """
        reference = MetricDepthEstimator.from_pretrained(
            "depth.reference", config.reference, config.reference_revision, flip=config.flip, device=device
        )
        if config.peer is None:
            return cls(reference, None, config)
        model, processor = load_depth_model("depth.peer", config.peer, config.peer_revision, torch.float32)
        inverts = predicts(model.config, advice=ADVICE) == "depth"
        return cls(reference, DepthEstimator(model.to(device), processor, inverts=inverts), config)

    def __call__(self, batch: Batch) -> pa.Table:
        found = {name: np.full(len(batch), np.nan) for name in self.columns.names}
        seeds = point_seeds(batch.keys, batch.numbers)
        for seen in self._seen(batch):
            for prefix, disparity in seen.disparity.items():
                aligned = self._aligned(disparity, seen.reference, seeds[seen.place])
                for name, value in _figures(aligned).items():
                    found[f"{prefix}{name}"][seen.place] = value
        return pa.table(found, schema=self.columns)

    def maps(self, batch: Batch) -> list[DepthMaps]:
        """What `__call__` compares, for a figure: N, in the order of the batch."""
        seeds = point_seeds(batch.keys, batch.numbers)
        found: dict[int, DepthMaps] = {}
        for place, reference, disparity in self._seen(batch):
            own, peer = (
                self._metres(disparity[prefix], self._aligned(disparity[prefix], reference, seeds[place]))
                if prefix in disparity
                else None
                for prefix in ("", PEER)
            )
            found[place] = DepthMaps(reference, own, peer)
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


def _figures(aligned: AlignedDepth) -> dict[str, float]:
    found = aligned._asdict()
    errors = {f"{name}{rule}": value for rule, of in RULES.items() for name, value in found.pop(of)._asdict().items()}
    return errors | found


def _identity(estimator: MetricDepthEstimator | DepthEstimator) -> list[Any]:
    """All that decides what it sees, but how it is asked. Weights alone do not say in which range depth is."""
    model, processor = estimator.model, estimator.processor
    return [fingerprint_of_network(model), _plain(model.config.to_dict()), _plain(processor.to_dict())]


def _plain(value: Any) -> Any:
    """Settings as JSON has them, without those that say where and by what they were written."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items() if name not in _WHEREABOUTS}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else str(value)


_WHEREABOUTS = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures", "processor_class")
