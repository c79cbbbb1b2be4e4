"""The numbers of earlier runs on an output."""

import math

import pyarrow as pa

from ldm3d.config import EvaluateConfig
from ldm3d.config.checks import require
from ldm3d.results.evaluation import Result
from pipelines.storage.folder import Folder, is_damage

NUMBERS = "metrics"
RUNS_NAMED = 10  # where a baseline is not one


def numbers_of(run: str) -> str:
    """Return the file of a run's numbers, relative to the output."""
    return f"{NUMBERS}/{run}.parquet"


def check_baseline(output: Folder, config: EvaluateConfig) -> None:
    """Check that the baseline, if there is one, is an earlier run on this output.

    Raises:
        ValueError: it is not, or its numbers cannot be read.
    """
    if config.report.baseline is not None:
        runs = {each.run: each.started for each in earlier_results(output, "")[0]}
        known = ", ".join(f"{run} ({started})" for run, started in list(runs.items())[-RUNS_NAMED:])
        wanted = f"an earlier run on {output.url}: {known or 'there is none yet'}"
        require(config.report.baseline in runs, "report.baseline", config.report.baseline, wanted)


def earlier_results(output: Folder, run: str) -> tuple[list[Result], list[str]]:
    """Read the numbers of other runs on this output, oldest first, and name in a sentence each unreadable file."""
    found, lost = [], []
    for name in output.sizes(NUMBERS, ".parquet"):
        try:
            rows = output.read_table(name).to_pylist() if name != numbers_of(run) else []
            # older versions wrote 0 for an average over no pictures
            found += [Result(**(row if row["num_samples"] else row | {"value": math.nan})) for row in rows]
        except (OSError, pa.ArrowException, TypeError) as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            lost.append(f"The earlier run in {name}: the file is damaged, or of another version of this code.")
    return sorted(found, key=lambda result: result.started), lost


def earlier_start(output: Folder, run: str) -> str | None:
    """Return when the same run was first started, if its numbers are there."""
    try:
        return str(output.read_table(numbers_of(run), columns=["started"])["started"][0].as_py())
    except (OSError, pa.ArrowException, IndexError):
        return None
