"""Panoramas' depth is scored against what a metric network sees in their views, and a peer's beside it."""

import numpy as np
import pytest
import torch

from ldm3d.config import DepthConfig
from ldm3d.depth.relative import invert, quantise
from ldm3d.immersive.depth_agreement import PanoramaDepthAgreement
from ldm3d.immersive.panorama_depth import estimate_depth
from ldm3d.immersive.tangent_views import TangentViews
from ldm3d.keys import point_seeds
from ldm3d.measures import Batch
from ldm3d.measures.depth_agreement import DepthAgreement
from ldm3d.metrics.panorama_depth import PanoramaDepth, score_panorama
from ldm3d.toy import room
from ldm3d.toy.depth_model import tiny_depth_model
from tests.builders.small_depth_models import tiny_metric_depth_model

pytestmark = pytest.mark.usefixtures("one_thread")
VIEWS = TangentViews(size=32)


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> DepthAgreement:
    folder = tmp_path_factory.mktemp("models")
    tiny_metric_depth_model(folder / "metric")
    tiny_depth_model(folder / "dpt")
    config = DepthConfig(reference=str(folder / "metric"), peer=str(folder / "dpt"), flip=False, max_depth_m=100)
    return DepthAgreement.from_pretrained(config, "cpu")


def test_numbers_are_those_of_views_merged_and_scored_and_the_references_own_depth_is_perfect(flat):
    picture, _ = room.panorama(32)
    seen = estimate_depth(picture, lambda cut: invert(flat.reference(cut)), metric=True, views=VIEWS, batch_size=8)
    own = quantise(torch.from_numpy(seen)[None]).depth[0]
    batch = Batch(np.array([5, 6, 7]), np.zeros(3, np.int32), [picture, picture[:, :40], picture], None, [own] * 3)
    network = PanoramaDepthAgreement(flat, VIEWS)
    table = network(batch)
    assert table.schema == network.columns
    first, other, last = table.to_pylist()
    errors = [first[f"panorama_{name}"] for name in PanoramaDepth._fields[:8]]
    assert errors == pytest.approx([0, 0, 1, 1, 1, 1, 1, 1], abs=2e-3)
    assert np.isnan(list(other.values())).all()  # it is no panorama
    assert last["panorama_valid"] == 32 * 64
    assert flat.peer is not None
    peer = estimate_depth(picture, flat.peer.inverse_depth, views=VIEWS, batch_size=8)
    seed = int(point_seeds(batch.keys, batch.numbers)[0])
    expected = score_panorama(peer - peer.min(), 1 / seen, seed=seed, max_depth_m=100)
    found = [first[f"peer_panorama_{name}"] for name in PanoramaDepth._fields]
    assert found == pytest.approx(list(expected), rel=1e-3, nan_ok=True)  # a peer that sees no edge has no precision


def test_without_depth_the_peer_is_left_and_other_views_are_another_network(flat):
    picture, _ = room.panorama(16)
    network = PanoramaDepthAgreement(flat, VIEWS)
    (row,) = network(Batch(np.array([1]), np.zeros(1, np.int32), [picture])).to_pylist()
    assert np.isnan(row["panorama_abs_rel"])
    assert np.isfinite(row["peer_panorama_abs_rel"])
    prints = {flat.fingerprint, network.fingerprint, PanoramaDepthAgreement(flat).fingerprint}
    assert len(prints) == 3
