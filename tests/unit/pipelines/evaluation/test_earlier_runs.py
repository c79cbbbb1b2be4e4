"""Numbers of earlier runs are read as what they were, and a baseline is one of them."""

import math
from dataclasses import asdict

import pyarrow as pa
import pytest

from ldm3d.config import EvaluateConfig, ReportConfig, to_json
from ldm3d.results.verdict import verdicts
from ldm3d.schema import conform
from pipelines.evaluation.earlier_runs import check_baseline, earlier_results
from pipelines.evaluation.finish import finished_run
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


def test_a_baseline_that_is_no_earlier_run_is_refused_with_those_that_are(tmp_path):
    output = Folder(str(tmp_path))
    config = EvaluateConfig(output=output.url, report=ReportConfig(baseline="../metrics/one"))
    with pytest.raises(ValueError, match=r"--report\.baseline is '\.\./metrics/one', .*: there is none yet"):
        check_baseline(output, config)
    for run in ("one", "other"):
        rows = [asdict(result("fid", 20.0, run=run, started=f"the day of {run}"))]
        output.write_tables(f"metrics/{run}.parquet", [conform(pa.Table.from_pylist(rows), "metrics/v1", {})])
    with pytest.raises(ValueError, match=r"one \(the day of one\), other \(the day of other\)"):
        check_baseline(output, config)
    check_baseline(output, EvaluateConfig(output=output.url, report=ReportConfig(baseline="one")))


def test_a_run_that_an_older_version_finished_is_still_finished(tmp_path):
    """Its marker knows no baseline."""
    output, config = Folder(str(tmp_path)), EvaluateConfig(output=str(tmp_path))
    for name in ("metrics/run.parquet", "report.html", "report.md"):
        output.write(name, b"")
    shown = {name: value for name, value in to_json(config)["report"].items() if name != "baseline"}
    output.write_json("_SUCCESS.json", {"run": "run", "shown_with": shown})
    assert finished_run(output, "run", config) is not None
    pinned = EvaluateConfig(output=str(tmp_path), report=ReportConfig(baseline="one"))
    assert finished_run(output, "run", pinned) is None
