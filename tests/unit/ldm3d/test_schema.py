"""Tables are held to their contract."""

import json

import pyarrow as pa
import pytest

from ldm3d.schema import CONTRACTS, IMAGE, REJECT, conform

ROW = {"key": 1, "url": "u", "stage": "download", "reason": "timeout", "detail": None}


def test_a_table_gets_the_order_types_and_metadata_of_its_contract():
    table = pa.Table.from_pylist([{"extra": 1, **dict(reversed(ROW.items()))}])
    done = conform(table, "reject/v1", {"producer": "test", "config": {"a": 1}})
    assert done.schema.equals(REJECT)
    assert done.schema.metadata[b"contract"] == b"reject/v1"
    assert json.loads(done.schema.metadata[b"config"]) == {"a": 1}


def test_a_missing_column_and_a_forbidden_null_are_refused():
    with pytest.raises(ValueError, match="reason"):
        conform(pa.Table.from_pylist([{"key": 1, "url": "u", "stage": "s", "detail": ""}]), "reject/v1")
    with pytest.raises(ValueError, match="url holds 1 nulls"):
        conform(pa.Table.from_pylist([ROW | {"url": None}], REJECT), "reject/v1")


def test_samples_may_have_no_depth_and_a_corpus_may_not():
    def rows(contract: str) -> pa.Table:
        picture = pa.array([{"bytes": b"png", "path": "p"}], IMAGE)
        fake = {"string": "x", "int64": 1, "int32": 1, "float": 1.0, "double": 1.0}
        columns = [
            picture if field.type == IMAGE else pa.array([fake[str(field.type)]], field.type)
            for field in CONTRACTS[contract]
        ]
        table = pa.table(columns, names=CONTRACTS[contract].names)
        place = table.column_names.index("depth")
        return table.set_column(place, "depth", pa.nulls(1, IMAGE))

    assert conform(rows("samples/v1"), "samples/v1")["depth"].null_count == 1
    with pytest.raises(ValueError, match="rgbd/v1: column depth holds 1 nulls"):
        conform(rows("rgbd/v1"), "rgbd/v1")


def test_a_value_that_does_not_fit_is_refused_not_wrapped():
    row = {"key": 2**63, **{k: v for k, v in ROW.items() if k != "key"}}
    with pytest.raises(pa.ArrowInvalid):
        conform(pa.Table.from_pylist([row], pa.schema([("key", pa.uint64()), *list(REJECT)[1:]])), "reject/v1")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_an_empty_table_conforms(contract):
    assert conform(CONTRACTS[contract].empty_table(), contract).num_rows == 0
