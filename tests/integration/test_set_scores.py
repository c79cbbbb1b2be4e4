"""Numbers of sets are those of all features in one place, however they lie in shards and are summed."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray

from ldm3d.metrics.gaussian import FrechetSlope, GaussianSums
from ldm3d.metrics.inception_score import InceptionScoreSums, split_of
from ldm3d.metrics.kernel_distance import kernel_distance
from ldm3d.metrics.moments import Moments
from pipelines.evaluation import feature_rows
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
    whole = {
        "pool": features + np.float32(seed),
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
