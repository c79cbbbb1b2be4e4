"""The search for duplicates in groups on the cluster finds what one task finds."""

import hashlib

import numpy as np
import pyarrow as pa
import ray

from ldm3d.config import ClusterConfig
from ldm3d.duplicates.colours import COLOURS
from pipelines.corpus import find_duplicates as search
from pipelines.corpus.find_duplicates import (
    OF_COLOURS,
    SHA256,
    alike_in,
    choose,
    choose_duplicates,
    compared,
    find_alike,
    keys_to_compare,
)
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


def colours_of(keys: np.ndarray) -> pa.Table:
    """Colours that a key decides."""
    colours = [bytes([90 if key % 3 == 0 else 160]) * COLOURS for key in keys.tolist()]
    return pa.table([keys, pa.array(colours, pa.binary(COLOURS))], schema=OF_COLOURS)


def found(parts: ray.data.Dataset, count: int) -> pa.Table:
    alike = find_alike(parts, count, max_distance=1)
    colours = colours_of(ray.get(keys_to_compare(alike)))
    halves = [colours.slice(0, 100), colours.slice(100)]
    return ray.get(choose_duplicates(alike, ray.data.from_arrow(halves)))


def test_groups_on_the_cluster_find_what_one_task_finds(monkeypatch):
    configure_data(ClusterConfig())
    rows = random_rows(3_000)
    parts = ray.data.from_arrow([rows.slice(start, 500) for start in range(0, 3_000, 500)])
    alike = alike_in(rows, 1)
    expected = choose(alike, colours_of(compared(alike)))
    assert {True, False} == set(expected["same"].to_pylist())
    assert found(parts, 3_000).equals(expected)
    monkeypatch.setattr(search, "GROUP_ROWS", 1_000)
    assert found(parts, 3_000).equals(expected)
