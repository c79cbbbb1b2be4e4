"""Every row of the validation split counts once, whoever reads it, and all workers have the same number of parts."""

import pyarrow as pa
import pytest

from ldm3d.toy.corpus import scene_rows
from pipelines.storage.folder import Folder
from pipelines.storage.row_groups import RowGroups
from pipelines.training.validation_rows import ValidationRows


@pytest.fixture(scope="module")
def row_groups(tmp_path_factory) -> RowGroups:
    """Groups of 4, 4 and 2 rows."""
    folder = Folder(str(tmp_path_factory.mktemp("corpus")))
    rows = scene_rows(range(10), "val", size=16)
    folder.write_tables("rgbd/val/00000.parquet", [rows.slice(start, 4) for start in range(0, 10, 4)])
    return RowGroups.of(folder, "rgbd/v1", "val", ("key",))


def keys(rows: pa.Table) -> list[int]:
    return rows["key"].to_pylist()


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("most_rows", [1, 3, 4, 32])
def test_every_row_counts_once_in_parts_that_are_small_enough(row_groups, workers, most_rows):
    parts = [list(ValidationRows(row_groups, keys, most_rows, rank, workers)) for rank in range(workers)]
    counted = [key for worker in parts for part, count in worker if count for key in part]
    assert sorted(counted) == sorted(scene_rows(range(10), "val", size=16)["key"].to_pylist())
    assert len({len(worker) for worker in parts}) == 1
    assert all(0 < len(part) <= most_rows for worker in parts for part, _ in worker)
