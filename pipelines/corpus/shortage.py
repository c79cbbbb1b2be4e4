"""A corpus that came out empty, or nearly so: a success for the machine, seldom for whoever asked for it."""

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.reject import Reason
from ldm3d.schema import REJECT
from pipelines.corpus.plan import SELECTED_OUT, Plan
from pipelines.corpus.remedies import REMEDIES
from pipelines.storage.folder import Folder, concurrently
from pipelines.storage.shards import Record, read_rows, totals

LEAST_SHARE = 0.01  # of the rows that were tried
TRIED = 100  # rows, before a share says anything
FILES_READ = 100  # rows are spread over shards and buckets at random, so these stand for all
COMMON = 3  # a reason of a third of the rejects or more is one to know of, so there are three at most
COLUMNS = ["reason", "detail"]
Read = Callable[[str], pa.Table]


def shortage(output: Folder, plan: Plan, records: list[Record]) -> str | None:
    """Say what kept rows from a corpus that holds none, or fewer than 1 % of 100 rows or more that were tried.

    Rows that the selection rejects and those that a sample leaves out were not tried: a strict selection is a wish.

    Returns:
        Each reason of a third of the rejected rows or more, with its most common detail and the remedy, the most
        common reason first, in one line; None where there are enough rows.
    """
    tried, kept, rejected = totals(records)
    if kept and (tried < TRIED or kept >= LEAST_SHARE * tried):
        return None
    selected_out = {reason: count for reason, count in plan.rejected.items() if reason != Reason.NOT_SAMPLED}
    reasons = Counter(rejected or selected_out)
    if not reasons:
        return None
    lines = []
    for reason, count in _common(reasons):
        if rejected:
            names = [record.name for record in records if record.rejected.get(reason)]
            detail = _detail(names, lambda name: read_rows(output, name, "rejects", REJECT, COLUMNS), reason)
        else:
            names = sorted(output.sizes(SELECTED_OUT, ".parquet"))
            detail = _detail(names, lambda name: output.read_table(name, columns=COLUMNS), reason)
        why = f"{reason}: {detail}" if detail else reason
        lines.append(f"{count:,} were rejected as {why}. {_sentence(REMEDIES[Reason(reason)])}")
    rows = f"of {tried:,} rows that were tried, {kept:,} were kept" if tried else "no row passes --select"
    return f"{rows}; {'. '.join(lines)}"


def _common(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Return the most common reason, and others of a third of the rejected rows or more."""
    first, *others = reasons.most_common(COMMON)
    return [first, *(each for each in others if each[1] * COMMON >= reasons.total())]


def _detail(names: list[str], read: Read, reason: str) -> str:
    """Find the most common detail of the rows that were rejected for a reason."""
    details: Counter[str] = Counter()
    for found in concurrently(lambda name: _details(read(name), reason), names[:FILES_READ]):
        details.update(found)
    return details.most_common(1)[0][0] if details else ""


def _details(rows: pa.Table, reason: str) -> dict[str, int]:
    """Count the details of the rows that were rejected for a reason; rows of earlier versions may have none."""
    found = pc.value_counts(rows["detail"].filter(pc.equal(rows["reason"], reason))).to_pylist()
    return {each["values"]: each["counts"] for each in found if each["values"]}


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
