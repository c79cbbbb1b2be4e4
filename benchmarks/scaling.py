"""What a second actor or worker brings: the same work on one, on two, and on one with two threads."""

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from benchmarks.measure import Ratio, in_turns


def scaling(title: str, holder: str, unit: str, speed: Callable[[int, float], float], repeats: int) -> dict[str, Any]:
    """Measure all cases in turns, and print them. Returns the record.

    Args:
        holder: `actor` or `worker`.
        unit: what `speed` counts.
        speed: number of holders, CPUs of each -> units per second.
    """
    cases = {f"one {holder}": (1, 1.0), f"two {holder}s": (2, 1.0), f"one {holder}, two threads": (1, 2.0)}
    rates = in_turns({case: partial(speed, *holders) for case, holders in cases.items()}, repeats)
    one, two, threads = rates.values()
    speedup, of_threads = Ratio.of(two, one), Ratio.of(threads, one)
    middle = {case: median(found) for case, found in rates.items()}
    print(f"{title}:", ", ".join(f"{case} {rate:.2f}/s" for case, rate in middle.items()))
    print(f"  two {holder}s {speedup}, efficiency {speedup.middle / 2:.0%}")
    print(f"  two threads {of_threads}", flush=True)
    return {f"{unit}_per_s": middle, "speedup": speedup, "speedup_of_threads": of_threads}
