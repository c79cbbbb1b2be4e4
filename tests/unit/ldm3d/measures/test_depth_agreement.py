"""Depth of samples and peer is scored against a metric model as closed forms and a real scene say, in any batch."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from skimage.data import stereo_motorcycle
from transformers import DPTImageProcessor

from ldm3d.config import DepthConfig, LabelConfig
from ldm3d.depth.metric import MetricDepthEstimator
from ldm3d.depth.relative import DepthEstimator, quantise
from ldm3d.keys import point_seeds
from ldm3d.measures import Batch
from ldm3d.measures.depth_agreement import DepthAgreement
from ldm3d.metrics.aligned_depth import score_aligned
from ldm3d.metrics.depth_edges import edge_f1
from ldm3d.toy.depth_model import tiny_depth_model
from tests.builders.small_depth_models import tiny_metric_depth_model, zoedepth

pytestmark = pytest.mark.usefixtures("one_thread")
ERRORS = ("abs_rel", "rmse_m", "delta1", "silog")
ALIGNMENT = ("scale", "shift", "valid", "beyond", "far")
OWN = (*ERRORS, *(f"{name}_literal" for name in ERRORS), *ALIGNMENT)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> DepthConfig:
    """A tiny ZoeDepth, and a tiny DPT as its peer."""
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        zoedepth(folder / "zoedepth")
    tiny_depth_model(folder / "dpt")
    return DepthConfig(reference=str(folder / "zoedepth"), peer=str(folder / "dpt"), batch_size=2, points=200)


@pytest.fixture(scope="module")
def network(config) -> DepthAgreement:
    return DepthAgreement.from_pretrained(config, "cpu")


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Five pictures of two sizes, in mixed order."""
    rng = np.random.default_rng(0)
    sizes = [(40, 56), (40, 56), (48, 48), (40, 56), (48, 48)]
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    depths = [rng.integers(0, 65_536, size, dtype=np.uint16) for size in sizes]
    return Batch(np.array([7, 7, -3, 9, 2**60]), np.array([0, 1, 0, 0, 2], np.int32), images, None, depths)


def one(batch: Batch, place: int) -> Batch:
    assert batch.depths is not None
    some = slice(place, place + 1)
    return Batch(batch.keys[some], batch.numbers[some], batch.images[some], None, batch.depths[some])


def test_columns_are_those_of_the_report_and_all_is_a_number(network, batch):
    table = network(batch)
    assert table.schema == network.columns
    assert table.column_names == [*OWN, *(f"peer_{name}" for name in OWN)]
    assert np.isfinite(table.to_pandas().to_numpy()).all()


def test_numbers_are_the_alignments_of_what_the_models_see(network, batch, config):
    rows = network(batch).to_pylist()
    reference = MetricDepthEstimator.from_pretrained("depth.reference", config.reference, flip=True)
    peer = DepthEstimator.from_pretrained(LabelConfig(depth_model=config.peer))
    for place, seed in enumerate(point_seeds(batch.keys, batch.numbers)):
        depth_m = reference(batch.images[place][None])[0].numpy()
        seen = peer.inverse_depth(batch.images[place][None])[0].numpy()
        for prefix, disparity in (("", batch.depths[place]), ("peer_", seen - seen.min())):
            found = score_aligned(disparity, depth_m, seed=int(seed), points=200)
            expected = [*found.capped, *found.literal, *found[2:]]
            assert [rows[place][f"{prefix}{name}"] for name in OWN] == pytest.approx(expected, rel=1e-3)


def test_inverse_depth_of_the_reference_is_perfect_but_for_its_16_bits(tmp_path):
    tiny_metric_depth_model(tmp_path)
    network = DepthAgreement.from_pretrained(DepthConfig(reference=str(tmp_path), peer=None), "cpu")
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    labels = quantise(1 / network.reference(images))
    rows = network(Batch(np.arange(2), np.zeros(2, np.int32), list(images), None, list(labels.depth))).to_pylist()
    for row, low, high in zip(rows, labels.raw_min, labels.raw_max, strict=True):
        assert [row[name] for name in ERRORS] == pytest.approx((0, 0, 1, 0), abs=2e-3)
        assert row["scale"] == pytest.approx((high - low) / 65_535, rel=1e-4)
        assert row["shift"] == pytest.approx(low, rel=1e-4)
        assert (row["valid"], row["beyond"], row["far"]) == (32 * 32, 0, 0)


def with_edges(folder, count: int = 2) -> tuple[DepthConfig, Batch]:
    """A model that sees edges, pictures in which it does, and its own depth as that of the samples."""
    tiny_metric_depth_model(folder)
    config = DepthConfig(reference=str(folder), peer=None, max_depth_m=100)
    images = np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    images[:, 8:24, 8:24] //= 8
    labels = quantise(1 / DepthAgreement.from_pretrained(config, "cpu").reference(images))
    return config, Batch(np.arange(count), np.zeros(count, np.int32), list(images), None, list(labels.depth))


def test_edges_are_those_of_the_maps_of_a_figure_capped_and_only_if_asked_for(config, tmp_path):
    own, batch = with_edges(tmp_path)
    noise = np.random.default_rng(2).integers(0, 3_000, (32, 32))
    batch = replace(batch, depths=[np.minimum(depth + noise, 65_535).astype(np.uint16) for depth in batch.depths])
    given = replace(own, peer=config.peer, max_depth_m=5.5)
    edges, plain = (DepthAgreement.from_pretrained(given, "cpu", edges=asked) for asked in (True, False))
    table = edges(batch)
    assert table.schema == edges.columns
    assert set(table.column_names) - set(plain.columns.names) == {"edge_f1", "peer_edge_f1"}
    for row, maps in zip(table.to_pylist(), edges.maps(batch), strict=True):
        assert maps.reference.min() < 5.5 < maps.reference.max()
        reference = np.minimum(maps.reference, 5.5)
        expected = [edge_f1(maps.own, reference), edge_f1(maps.peer, reference)]
        assert [row["edge_f1"], row["peer_edge_f1"]] == pytest.approx(expected, rel=1e-6, nan_ok=True)
        assert 0 < row["edge_f1"] < 1
    assert edges.judge == plain.judge == plain.fingerprint != edges.fingerprint
    flat = replace(batch, depths=[np.full((32, 32), 9, np.uint16)] * 2)
    assert np.isnan(edges(flat)["edge_f1"]).all()


def test_edges_of_inverse_depth_of_the_reference_are_its_own_whatever_its_scale_and_shift(tmp_path):
    config, batch = with_edges(tmp_path)
    network = DepthAgreement.from_pretrained(config, "cpu", edges=True)
    assert network(batch)["edge_f1"].to_pylist() == [1, 1]
    half = replace(batch, depths=[depth // 2 + 1_000 for depth in batch.depths])
    assert network(half)["edge_f1"].to_pylist() == [1, 1]


def test_a_picture_is_measured_the_same_in_any_batch(network, batch):
    together = network(batch).to_pandas()
    for place in range(len(batch)):
        alone = network(one(batch, place)).to_pandas()
        np.testing.assert_allclose(together.iloc[place], alone.iloc[0], rtol=1e-4)


def test_points_come_from_key_and_number(network, batch):
    def scale(key: int, number: int) -> float:
        alone = replace(one(batch, 0), keys=np.array([key]), numbers=np.array([number], np.int32))
        return network(alone)["scale"][0].as_py()

    assert scale(7, 0) == scale(7, 0)
    assert len({scale(7, 0), scale(7, 1), scale(8, 0)}) == 3


def test_without_depth_there_are_no_numbers_of_it_and_without_a_peer_no_columns(config, batch):
    pictures = replace(batch, depths=None)
    found = DepthAgreement.from_pretrained(config, "cpu")(pictures).to_pandas()
    assert found[list(OWN)].isna().all(axis=None)
    assert found.drop(columns=list(OWN)).notna().all(axis=None)
    alone = DepthAgreement.from_pretrained(replace(config, peer=None), "cpu")
    assert alone(batch).column_names == list(OWN)
    assert alone.columns.names == list(OWN)


def test_depth_that_is_flat_is_no_number_but_counted(network, batch):
    flat = replace(one(batch, 0), depths=[np.full((40, 56), 9, np.uint16)])
    (row,) = network(flat).to_pylist()
    assert np.isnan([row[name] for name in OWN[:10]]).all()
    assert row["valid"] == 40 * 56
    assert np.isfinite(row["peer_abs_rel"])
    (maps,) = network.maps(flat)
    assert np.isnan(maps.own).all()


def test_maps_for_a_figure_are_those_that_were_scored(network, batch):
    rows = network(batch).to_pylist()
    for maps, row, depth in zip(network.maps(batch), rows, batch.depths, strict=True):
        assert {each.dtype for each in maps} == {np.dtype(np.float32)}
        assert {each.shape for each in maps} == {depth.shape}
        for prefix, found in (("", maps.own), ("peer_", maps.peer)):
            error = np.abs(found - maps.reference) / maps.reference
            assert error.mean() == pytest.approx(row[f"{prefix}abs_rel"], rel=1e-4)
        capped = 1 / np.maximum(row["scale"] * depth + row["shift"], 0.1)
        np.testing.assert_allclose(maps.own, capped, rtol=1e-4)
    assert network.maps(replace(batch, depths=None))[0].own is None


def test_what_decides_numbers_is_in_the_fingerprint(config, tmp_path):
    tiny_depth_model(tmp_path / "copy")
    tiny_depth_model(tmp_path / "other", seed=1)
    same = [config, replace(config, batch_size=1), replace(config, peer=str(tmp_path / "copy"))]
    others = [
        replace(config, flip=False),
        replace(config, points=100),
        replace(config, max_depth_m=80.0),
        replace(config, peer=None),
        replace(config, peer=str(tmp_path / "other")),
    ]
    prints = [DepthAgreement.from_pretrained(each, "cpu").fingerprint for each in (*same, *others)]
    assert len(set(prints[:3])) == 1
    assert len(set(prints)) == 6


def test_a_range_that_is_in_no_weight_is_in_the_fingerprint(config):
    one, other = (DepthAgreement.from_pretrained(replace(config, peer=None), "cpu") for _ in range(2))
    assert one.fingerprint == other.fingerprint
    other.reference.model.config.bin_configurations[0]["max_depth"] = 80.0
    again = DepthAgreement(other.reference, None, other.config)
    assert again.fingerprint != one.fingerprint


def test_unsuitable_models_are_refused_by_the_name_of_their_setting(config, tmp_path):
    with pytest.raises(ValueError, match=r"depth\.reference .*dpt.* wanted metres"):
        DepthAgreement.from_pretrained(replace(config, reference=config.peer), "cpu")
    with pytest.raises(ValueError, match=rf"depth\.peer .*{tmp_path}"):
        DepthAgreement.from_pretrained(replace(config, peer=str(tmp_path)), "cpu")


class Measured(torch.nn.Module):
    """A network that returns the depth of one scene, in metres."""

    device, config = torch.device("cpu"), DPTImageProcessor()

    def __init__(self, depth_m: np.ndarray) -> None:
        super().__init__()
        self.depth_m = torch.from_numpy(depth_m)[None]

    def forward(self, pixel_values):
        return type("Output", (), {"predicted_depth": self.depth_m.expand(len(pixel_values), -1, -1)})


def test_stereo_matching_of_a_real_scene_agrees_with_its_measured_depth_better_than_its_blur_does():
    """The scene is Middlebury's motorcycle (Scharstein et al. 2014); OpenCV's matcher predicts with real errors."""
    left, right, disparity = stereo_motorcycle()
    left, right, disparity = left[::2, ::2], right[::2, ::2], disparity[::2, ::2]
    depth_m = (994.978 * 0.193001 / (disparity + 31.086)).astype(np.float32)  # 0 m where nothing was measured
    grey = [cv2.cvtColor(np.ascontiguousarray(view), cv2.COLOR_RGB2GRAY) for view in (left, right)]
    matched = cv2.StereoSGBM_create(0, 32, 5).compute(*grey).clip(0).astype(np.float32)
    depth_m[matched == 0] = 0  # 16 bits cannot say that nothing was matched
    blurred = cv2.GaussianBlur(matched, (0, 0), 15)
    reference = MetricDepthEstimator(Measured(depth_m), DPTImageProcessor(do_resize=False), flip=False)
    network = DepthAgreement(reference, None, DepthConfig(peer=None))
    depths = [quantise(torch.from_numpy(each)[None]).depth[0] for each in (matched, blurred)]
    good, bad = network(Batch(np.array([1, 2]), np.zeros(2, np.int32), [left, left], None, depths)).to_pylist()
    assert good["valid"] == bad["valid"] == (depth_m > 0).sum() > 0.6 * depth_m.size
    assert good["scale"] > 0
    assert 0.005 < good["abs_rel"] < 0.05 < bad["abs_rel"]
    assert good["delta1"] > 0.95 > bad["delta1"]
