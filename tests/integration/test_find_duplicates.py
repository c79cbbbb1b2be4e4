"""The search for duplicates in groups on the cluster finds what one task finds."""

import hashlib

import numpy as np
import pyarrow as pa
import ray

from ldm3d.config import ClusterConfig
from pipelines.corpus import find_duplicates as search
from pipelines.corpus.find_duplicates import SHA256, find_duplicates, find_in
from pipelines.workers.session import configure_data


def random_rows(count: int) -> pa.Table:
    """Rows of a few pictures, copies of each of the same bytes, of one hash, and of hashes a bit or two apart."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, count // 3, count)
    hashes = rng.integers(-(2**63), 2**63 - 1, count // 3)[picture] ^ (1 << rng.integers(0, 2, count) * 60)
    contents = np.where(rng.random(count) < 0.5, picture, count + np.arange(count))
    digests = [hashlib.sha256(str(content).encode()).digest() for content in contents.tolist()]
    keys = rng.integers(-(2**63), 2**63 - 1, count)
    return pa.table({"key": keys, "perceptual_hash": hashes, "sha256": pa.array(digests, SHA256)})


def test_groups_on_the_cluster_find_what_one_task_finds(monkeypatch):
    configure_data(ClusterConfig())
    rows = random_rows(3_000)
    parts = ray.data.from_arrow([rows.slice(start, 500) for start in range(0, 3_000, 500)])
    at_once = ray.get(find_duplicates(parts, 3_000, max_distance=1))
    assert at_once.equals(find_in(rows, 1))
    assert {True, False} == set(at_once["same"].to_pylist())
    monkeypatch.setattr(search, "GROUP_ROWS", 1_000)
    assert ray.get(find_duplicates(parts, 3_000, max_distance=1)).equals(at_once)
