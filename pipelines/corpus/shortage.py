"""A corpus that came out empty, or nearly so: a success for the machine, seldom for whoever asked for it."""

from collections import Counter

from ldm3d.reject import Reason
from ldm3d.schema import REJECT
from pipelines.corpus.plan import Plan
from pipelines.corpus.remedies import REMEDIES
from pipelines.storage.folder import Folder, concurrently
from pipelines.storage.shards import Record, read_rows, totals

LEAST_SHARE = 0.01  # of the rows that were tried
TRIED = 100  # rows, before a share says anything
SHARDS_READ = 100  # rows are spread over the shards at random, so these stand for all


def shortage(output: Folder, plan: Plan, records: list[Record]) -> str | None:
    """Say what kept rows from a corpus that holds none, or fewer than 1 % of 100 rows or more that were tried.

    Rows that the selection rejects and those that a sample leaves out were not tried: a strict selection is a wish.

    Returns:
        The most common reason, its most common detail and the remedy, in one line; None where there are enough rows.
    """
    tried, kept, rejected = totals(records)
    if kept and (tried < TRIED or kept >= LEAST_SHARE * tried):
        return None
    selected_out = {reason: count for reason, count in plan.rejected.items() if reason != Reason.NOT_SAMPLED}
    reasons = Counter(rejected or selected_out)
    if not reasons:
        return None
    reason, count = reasons.most_common(1)[0]
    detail = _detail(output, [record.name for record in records if record.rejected.get(reason)], reason)
    rows = f"of {tried:,} rows that were tried, {kept:,} were kept" if tried else "no row passes --select"
    why = f"{reason}: {detail}" if detail else reason
    return f"{rows}; {count:,} were rejected as {why}. {_sentence(REMEDIES[Reason(reason)])}"


def _detail(output: Folder, shards: list[str], reason: str) -> str:
    """Find the most common detail of the rows that were rejected for a reason."""
    found = concurrently(lambda name: _details(output, name, reason), shards[:SHARDS_READ])
    details = Counter(detail for each in found for detail in each if detail)
    return details.most_common(1)[0][0] if details else ""


def _details(output: Folder, shard: str, reason: str) -> list[str]:
    rows = read_rows(output, shard, "rejects", REJECT, ["reason", "detail"]).to_pylist()
    return [row["detail"] for row in rows if row["reason"] == reason]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
