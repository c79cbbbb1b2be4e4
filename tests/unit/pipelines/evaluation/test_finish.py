"""Numbers of earlier runs are read as what they were."""

import math
from dataclasses import asdict

import pyarrow as pa

from ldm3d.results.verdict import verdicts
from ldm3d.schema import conform
from pipelines.evaluation.finish import earlier_results
from pipelines.storage.folder import Folder
from tests.builders.report_results import result


def test_an_average_over_no_pictures_that_was_written_as_0_is_nan(tmp_path):
    output = Folder(str(tmp_path))
    before = [
        asdict(result("abs_rel", 0.0, None, run="before", num_samples=0)),
        asdict(result("psnr_db", 0.0, 0.1, run="before", num_samples=30)),
    ]
    output.write_tables("metrics/before.parquet", [conform(pa.Table.from_pylist(before), "metrics/v1", {})])
    found, lost = earlier_results(output, "now")
    assert lost == []
    assert {each.metric: each.value for each in found if each.num_samples} == {"psnr_db": 0.0}
    (nothing,) = (each for each in found if not each.num_samples)
    assert math.isnan(nothing.value)
    (same,) = verdicts([result("abs_rel", math.nan, None, num_samples=0)], found, 2)
    assert same.kind == "same"  # and not worse than a 0 that nobody measured
