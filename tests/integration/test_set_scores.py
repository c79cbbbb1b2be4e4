"""Numbers of sets are those of all features in one place, however they lie in shards and are summed."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray

from ldm3d.metrics.cmmd import cmmd
from ldm3d.metrics.gaussian import FrechetSlope, GaussianSums
from ldm3d.metrics.inception_score import InceptionScoreSums, split_of
from ldm3d.metrics.kernel_distance import kernel_distance
from ldm3d.metrics.moments import Moments
from ldm3d.metrics.precision_recall import is_within, precision_recall, squared_radii
from pipelines.evaluation import feature_rows, pair_scores
from pipelines.evaluation import scores as set_scores
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.feature_rows import FeatureRows
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard

WIDTH, CLASSES = 12, 5
SIZES = (30, 1, 0, 64, 17, 40, 48)  # rows of shards; every picture of one was rejected


def write_set(url: str, name: str, seed: int) -> tuple[FeatureRows, dict[str, Any]]:
    """Made-up features in shards, of which some count; and what counts in one place, in its order."""
    random, count = np.random.default_rng(seed), sum(SIZES)
    features = (random.standard_normal((count, WIDTH)) @ random.standard_normal((WIDTH, WIDTH))).astype(np.float32)
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    directions[::40] = np.nan
    whole = {
        "pool": features + np.float32(seed),
        "embedding": directions,
        "logits": (random.standard_normal((count, CLASSES)) * 3).astype(np.float32),
        "clip": np.where(np.arange(count) % 50 == 7, np.nan, random.standard_normal(count) + 30),
    }
    keys, numbers = random.permutation(count) // 2, np.arange(count, dtype=np.int32)
    shards, begin = [], 0
    for number, size in enumerate(SIZES):
        rows = slice(begin, begin + size)
        shard = Shard(f"{name}-{number:05d}", "", None, size)
        columns = {column: pa.array(list(values[rows])) for column, values in whole.items()}
        if size:
            table = pa.table({"key": keys[rows], "number": numbers[rows], **columns})
            Folder(url).write_tables(shard.file("features"), [table])
        shards.append(shard)
        begin += size
    chosen = Chosen.of(keys, numbers, count=80)
    order = chosen.numbers  # a picture's number is its place in the arrays
    return FeatureRows(url, shards, ray.put(chosen)), {name: values[order] for name, values in whole.items()}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[FeatureRows, dict[str, Any]]]:
    url = str(tmp_path_factory.mktemp("features"))
    return [write_set(url, "one", 1), write_set(url, "other", 2)]


@pytest.mark.parametrize(("rows", "fan_in"), [(1, 2), (60, 3), (10_000, 8)])
def test_sums_of_any_groups_are_those_of_the_whole(sets, monkeypatch, rows, fan_in):
    monkeypatch.setattr(feature_rows, "GROUP_ROWS", rows)
    monkeypatch.setattr(feature_rows, "FAN_IN", fan_in)
    (one, own), (other, real) = sets

    slope = FrechetSlope.of(GaussianSums.of(own["pool"]), GaussianSums.of(real["pool"]))
    fid = set_scores.frechet(one, set_scores.gaussian_of(one), set_scores.gaussian_of(other))
    error = Moments.of(slope.influences(own["pool"])).stderr
    assert (fid.value, fid.stderr, fid.count) == pytest.approx((slope.distance, error, 160), rel=1e-9)

    mean, std = InceptionScoreSums.of(own["logits"], split_of(160)).score()
    score = set_scores.inception_score(one, 160)
    assert (score.value, score.std, score.count) == pytest.approx((mean, std, 160), rel=1e-9)

    clip, moments = set_scores.means(one, ["clip"])["clip"], Moments.of(own["clip"])
    assert (clip.value, clip.stderr, clip.count, clip.excluded) == pytest.approx(
        (moments.mean, moments.stderr, moments.count, moments.excluded), rel=1e-9
    )
    assert clip.excluded > 0


def test_the_kernel_distance_of_shards_is_that_of_arrays(sets):
    (one, own), (other, real) = sets
    mean, std = kernel_distance(own["pool"], real["pool"], subsets=7, subset_size=50)
    kid = set_scores.kernel(one, other, subsets=7, size=50)
    assert (kid.value, kid.std, kid.count) == pytest.approx((mean, std, 160), rel=1e-12)


def test_cmmd_of_shards_is_that_of_arrays_without_what_is_not_finite(sets, monkeypatch):
    monkeypatch.setattr(feature_rows, "GROUP_ROWS", 60)
    (one, own), (other, real) = sets
    mine, others = (each["embedding"][np.isfinite(each["embedding"]).all(axis=1)] for each in (own, real))
    found = pair_scores.maximum_discrepancy(one, other, *map(pair_scores.embeddings_of, (one, other)))
    assert found.value == pytest.approx(cmmd(mine, others), rel=1e-9)
    assert (found.count, found.excluded) == (len(mine), 160 - len(mine))
    assert found.excluded > 0


def test_the_error_of_cmmd_is_its_spread_over_samples(sets):
    """Of 300 samples of a set, drawn with replacement; the spread of 300 is within 20 % of what it would be of all."""
    (one, own), (other, real) = sets
    mine, others = (each["embedding"][np.isfinite(each["embedding"]).all(axis=1)] for each in (own, real))
    random = np.random.default_rng(0)
    spread = np.std([cmmd(mine[random.integers(0, len(mine), len(mine))], others) for _ in range(300)])
    found = pair_scores.maximum_discrepancy(one, other, *map(pair_scores.embeddings_of, (one, other)))
    assert found.stderr == pytest.approx(spread, rel=0.2)


def test_precision_and_recall_of_shards_are_those_of_arrays(sets, monkeypatch):
    monkeypatch.setattr(feature_rows, "GROUP_ROWS", 60)
    monkeypatch.setattr(pair_scores, "GROUP_ROWS", 50)
    (one, own), (other, real) = sets
    mine, theirs = (pair_scores.manifold_of(each, 160) for each in (one, other))
    found = pair_scores.precision_recall(one, other, mine, theirs)
    expected = precision_recall(own["pool"], real["pool"])
    assert (found["precision"].value, found["recall"].value) == pytest.approx(expected, rel=1e-12)
    assert all(0 < score.value < 1 and (score.count, score.excluded) == (160, 0) for score in found.values())
    within = is_within(real["pool"], own["pool"], squared_radii(own["pool"], own["pool"]))
    assert found["recall"].stderr == pytest.approx(Moments.of(within).stderr, rel=1e-9)


def test_without_a_manifold_recall_is_of_no_picture(sets):
    """Three pictures have no third neighbour."""
    (one, _), (other, _) = sets
    everything = ray.get(one.chosen)
    few = FeatureRows(one.url, one.shards, ray.put(Chosen(everything.keys[:3], everything.numbers[:3])))
    found = pair_scores.precision_recall(
        few, other, pair_scores.manifold_of(few, 3), pair_scores.manifold_of(other, 160)
    )
    assert np.isnan(found["recall"].value)
    assert (found["recall"].count, found["recall"].excluded) == (0, 3)
    assert found["precision"].count == 3
