"""Verdicts -> the top of a report: one word, then what changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ldm3d.report.blocks import Banner, Block, Cell, Fold, Paragraph, Row, Table, row
from ldm3d.results.evaluation import Result
from ldm3d.results.metrics import METRICS
from ldm3d.results.notation import number, plain, signed, title, with_error
from ldm3d.results.protocol import Difference
from ldm3d.results.verdict import KINDS, Kind, Pairing, Verdict, overall

WORDS: dict[Kind, str] = {
    "worse": "Worse",
    "better": "Better",
    "same": "Unchanged",
    "incomparable": "Not comparable",
    "new": "First run: nothing to compare with yet",
}
MOST = 12  # settings named per number


def changes(verdicts: Sequence[Verdict], surrogate: Sequence[str], baseline: str | None = None) -> Iterator[Block]:
    """Yield the verdict on the run, what got worse or better, what stayed the same, and what cannot be compared."""
    verdict = overall(verdicts)
    yield Banner(verdict, WORDS[verdict], _summary(verdicts, baseline))
    by_kind: dict[Kind, list[Verdict]] = {kind: [] for kind in KINDS}
    for each in verdicts:
        by_kind[each.kind].append(each)
    if changed := by_kind["worse"] + by_kind["better"]:
        yield _compared(changed, surrogate, "What changed")
    if same := by_kind["same"]:
        yield Fold(f"What stayed the same ({len(same)})", (_compared(same, surrogate),))
    if incomparable := by_kind["incomparable"]:
        why = "Earlier runs measured the same pictures under another protocol, so the numbers are not comparable."
        yield Fold(
            f"What cannot be compared ({len(incomparable)})", (Paragraph(why), _incomparable(incomparable, surrogate))
        )
    if (new := by_kind["new"]) and len(new) < len(verdicts):
        names = dict.fromkeys(f"{_title(each.result, surrogate)} of {each.result.pictures}" for each in new)
        yield Fold(f"What is new ({len(new)})", (Paragraph("; ".join(names)),))


def beside(latest: Sequence[Verdict], surrogate: Sequence[str]) -> Iterator[Block]:
    """Yield what changed since the run before, beside a verdict by a baseline."""
    if found := [each for kind in KINDS for each in latest if each.kind == kind and each.threshold is not None]:
        blocks = (Paragraph(_summary(latest)), _compared(found, surrogate))
        yield Fold("Beside the baseline: what changed since the run before", blocks)


def _summary(verdicts: Sequence[Verdict], baseline: str | None = None) -> str:
    """Say how many numbers there are of each kind, and what they were compared with."""
    if not verdicts:
        return "No number was computed."
    counts = Counter(each.kind for each in verdicts)
    words = {kind: "the same" if kind == "same" else kind for kind in KINDS}
    parts = ", ".join(f"{counts[kind]} {words[kind]}" for kind in KINDS if counts[kind])
    total = f"{len(verdicts)} number{'' if len(verdicts) == 1 else 's'}"
    return f"{total}: {parts}.{_compared_with(verdicts, baseline)}"


def _compared_with(verdicts: Sequence[Verdict], baseline: str | None) -> str:
    before = {each.before.run: each.before.started for each in verdicts if each.before and each.kind != "incomparable"}
    if not before:
        return ""
    if baseline in before:
        rest = "; what it does not have is compared with the last run that has it" if len(before) > 1 else ""
        return f" Compared with the baseline, run {baseline} of {before[baseline]}{rest}."
    if len(before) > 1:
        return f" Each is compared with the last run that has it, {len(before)} runs in all."
    ((run, started),) = before.items()
    return f" Compared with run {run} of {started}."


def _compared(found: Sequence[Verdict], surrogate: Sequence[str], heading: str = "") -> Table:
    columns = ("Pictures", "Metric", "Verdict", "before", "now", "change", "pairs", "threshold")
    notes = (
        "A change counts above its threshold, the tolerated number of standard errors of the difference.",
        "Pairs are pictures of the same key and number in both runs. With pairs, the error of a change is that of "
        "their differences; without, it is both errors in quadrature.",
    )
    return Table(columns, tuple(_compared_row(each, surrogate) for each in found), heading, labels=3, notes=notes)


def _compared_row(verdict: Verdict, surrogate: Sequence[str]) -> Row:
    digits, result = METRICS[verdict.result.metric].digits, verdict.result
    assert verdict.before is not None
    assert verdict.threshold is not None
    return row(
        result.pictures,
        _title(result, surrogate),
        Cell(verdict.kind, mark=verdict.kind),
        Cell(_value(verdict.before), f"run {verdict.before.run}"),
        _value(result),
        _change(verdict, digits),
        _pairs(verdict.pairing),
        number(verdict.threshold, digits),
    )


def _change(verdict: Verdict, digits: int) -> str:
    error = f" ± {number(verdict.stderr, digits)}" if verdict.stderr is not None else ""
    return signed(verdict.change, digits) + error


def _pairs(pairing: Pairing | None) -> Cell:
    if pairing is None:
        return Cell()
    return Cell(small=pairing.why_not) if pairing.why_not else Cell(f"{pairing.count:,}")


def _incomparable(found: Sequence[Verdict], surrogate: Sequence[str]) -> Table:
    rows = [
        row(
            each.result.pictures,
            _title(each.result, surrogate),
            _differing(each.differs),
            each.before.run if each.before else Cell(),
            _value(each.before) if each.before else Cell(),
            _value(each.result),
        )
        for each in found
    ]
    return Table(("Pictures", "Metric", "What differs", "Run", "was", "is"), tuple(rows), labels=4)


def _differing(differs: Iterable[Difference]) -> str:
    parts = [f"{each.setting}: {plain(each.was)} → {plain(each.now)}" for each in differs]
    more = [f"and {len(parts) - MOST} more"] if len(parts) > MOST else []
    return "; ".join(parts[:MOST] + more) or "nothing that the protocols record"


def _title(result: Result, surrogate: Sequence[str]) -> str:
    return title(result.metric, [result.num_samples], surrogate=result.metric in surrogate, arrow=True)


def _value(result: Result) -> str:
    return with_error(result.value, result.stderr, METRICS[result.metric].digits)
