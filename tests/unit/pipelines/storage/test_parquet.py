"""A binary column that is made in one piece is the column that Arrow makes."""

import pyarrow as pa
import pytest

from pipelines.storage.parquet import binaries


@pytest.mark.parametrize("contents", [[], [b""], [b"one", b"", bytes(range(256)), b"\0" * 100_000]])
def test_a_binary_column_holds_what_arrows_own_does(contents):
    column = binaries(contents)
    column.validate(full=True)
    assert column.equals(pa.array(contents, pa.binary()))
