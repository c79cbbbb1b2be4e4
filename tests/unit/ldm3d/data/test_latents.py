"""Latents come back as they were stored, whatever rows a batch is made of, and their sums add up."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from ldm3d.data.latent_sums import LatentSums
from ldm3d.data.latents import LATENT_SHAPE, decode_latents_rows, to_bytes
from ldm3d.data.order import GlobalOrder
from ldm3d.schema import conform
from pipelines.storage.folder import Folder
from pipelines.storage.row_groups import RowGroups
from pipelines.training.reader import BatchReader

SHAPE = (4, 2, 3)
COLUMNS = ("key", "caption", "mean", "std")


def rows_of(mean: np.ndarray, std: np.ndarray) -> pa.Table:
    count = len(mean)
    columns = {
        "key": range(count),
        "caption": [f"caption {place}" for place in range(count)],
        "flipped": [False] * count,
        "mean": to_bytes(mean),
        "std": to_bytes(std),
        "text": pa.nulls(count, pa.binary()),
    }
    return conform(pa.table(columns), "latents/v1", {LATENT_SHAPE: list(mean.shape[1:])})


@pytest.fixture(scope="module")
def posteriors() -> tuple[np.ndarray, np.ndarray]:
    """Means with every float16 there is, infinities and NaN included; no two rows are alike."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    mean = every[: 2**16 // 24 * 24].reshape(-1, *SHAPE)
    return mean, mean[::-1].copy()


def same(got: torch.Tensor, wanted: np.ndarray) -> bool:
    """Whether values are equal to the bit, NaN included."""
    return np.array_equal(got.numpy().view(np.uint16), wanted.view(np.uint16))


def test_every_value_comes_back_to_the_bit(posteriors):
    mean, std = posteriors
    found = decode_latents_rows(rows_of(mean, std))
    assert (found.mean.dtype, found.mean.shape) == (torch.float16, mean.shape)
    assert same(found.mean, mean)
    assert same(found.std, std)


def test_rows_from_many_places_are_decoded_in_their_order(posteriors):
    mean, std = posteriors
    rows, places = rows_of(mean, std), [7, 3, 3, 2_000, 0]
    found = decode_latents_rows(pa.concat_tables([rows.slice(place, 1) for place in places]))
    assert same(found.mean, mean[places])
    assert same(found.std, std[places])


def test_what_is_decoded_may_be_written_to(posteriors):
    rows = rows_of(*posteriors)
    decode_latents_rows(rows).mean.zero_()
    assert same(decode_latents_rows(rows).mean, posteriors[0])


def test_a_training_reader_takes_batches_straight_from_files(tmp_path, posteriors):
    mean, std = (part[:24] for part in posteriors)
    rows, folder = rows_of(mean, std), Folder(str(tmp_path))
    folder.write_tables("latents/train/00000.parquet", [rows.slice(start, 5) for start in range(0, 24, 5)])
    groups = RowGroups.of(folder, "latents/v1", "train", COLUMNS)
    order = GlobalOrder(group_rows=groups.rows, batch_size=4, lanes=2, shuffle_rows=6, seed=0)

    def decode(table: pa.Table) -> tuple[list[int], torch.Tensor, torch.Tensor]:
        return table["key"].to_pylist(), *decode_latents_rows(table)

    seen = []
    for batch in BatchReader(groups, order, decode, start=0, stop=order.steps_per_epoch):
        keys, got_mean, got_std = batch.data
        assert same(got_mean, mean[keys])
        assert same(got_std, std[keys])
        seen += keys
    assert sorted(seen) == list(range(24))


def test_rows_without_a_shape_or_of_another_are_refused(posteriors):
    rows = rows_of(*posteriors)
    with pytest.raises(ValueError, match="no latent_shape"):
        decode_latents_rows(rows.replace_schema_metadata(None))
    with pytest.raises(ValueError, match=r"mean has values of \[48\] bytes, wanted 50 for the shape \[1, 5, 5\]"):
        decode_latents_rows(rows.replace_schema_metadata({LATENT_SHAPE: "[1, 5, 5]"}))


def test_the_scale_is_that_of_draws_from_the_posteriors():
    random = np.random.default_rng(0)
    mean = (3 + 2 * random.standard_normal((500, *SHAPE))).astype(np.float16)
    std = random.uniform(0, 1.5, mean.shape).astype(np.float16)
    draws = mean + std * random.standard_normal((40, *mean.shape))
    assert LatentSums.of(mean, std).std == pytest.approx(draws.std(), rel=0.005)


def test_sums_of_shards_are_those_of_the_whole():
    random = np.random.default_rng(1)
    mean, std = (random.standard_normal((9, *SHAPE)).astype(np.float16) for _ in range(2))
    parts = [LatentSums.of(mean[part], std[part]) for part in (slice(0, 4), slice(4, 4), slice(4, 9))]
    whole, added = LatentSums.of(mean, std), sum(parts, LatentSums())
    assert added.elements == whole.elements
    assert math.isclose(added.total, whole.total)
    assert math.isclose(added.squares, whole.squares)


def test_large_latents_do_not_overflow_the_sums_and_none_have_no_scale():
    large = np.full((100, *SHAPE), 60_000, np.float16)
    assert LatentSums.of(large, large).std == pytest.approx(float(large[0, 0, 0, 0]))
    assert LatentSums().std is None
