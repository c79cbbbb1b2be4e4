"""How metrics, values and counts are written."""

import json
import math
from collections.abc import Iterable
from typing import Any

from ldm3d.results.metrics import METRICS

ARROWS = {"lower": "↓", "higher": "↑"}
FEW = 10_000  # pictures below which a Fréchet distance has their number in its name, for its bias goes with 1/N
DISTANCES = ("fid", "rfid")
NONE = "\N{EN DASH}"


def title(metric: str, counts: Iterable[int] = (), *, surrogate: bool = False, arrow: bool = False) -> str:
    """What a metric is called: `FID-2k (surrogate) ↓`.

    Args:
        counts: pictures behind each of the values that stand under this name.
        arrow: point the better way.
    """
    about = METRICS[metric]
    sizes = set(counts)
    parts = [short(metric, sizes.pop()) if len(sizes) == 1 else about.title]
    parts += ["(surrogate)"] if surrogate else []
    parts += [ARROWS[about.better]] if arrow else []
    return " ".join(parts)


def short(metric: str, count: int) -> str:
    """A metric's title, with the number of pictures where they are few for it."""
    few = metric in DISTANCES and count < FEW
    return METRICS[metric].title + (f"-{_thousands(count)}" if few else "")


def number(value: float, digits: int) -> str:
    """With so many digits after the point, more if nothing were left of it."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if abs(value) >= 1e7 or 0 < abs(value) < 0.5 * 10**-digits:
        return f"{value:.2g}"
    return f"{value:,.{digits}f}"


def with_error(value: float, error: float | None, digits: int) -> str:
    """`27.82 ± 0.31`, or the value alone where the error is not known."""
    if error is None or math.isnan(error):
        return number(value, digits)
    return f"{number(value, digits)} ± {number(error, digits)}"


def signed(change: float, digits: int) -> str:
    """A difference, with its sign."""
    return ("+" if change > 0 else "") + number(change, digits)


def plain(value: Any) -> str:
    """A setting as people read it: text as it is, the rest as JSON."""
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def fact(value: Any) -> str:
    """A number of settings as people read it: `7.5`, `5`, `30,000`."""
    if isinstance(value, float):
        return f"{value:,g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else plain(value)


def either(values: Iterable[str], most: int = 6) -> str:
    """`10, 25 or 50`, each once."""
    found = list(dict.fromkeys(values))
    found = found if len(found) <= most else [*found[: most - 1], "others"]
    return f"{', '.join(found[:-1])} or {found[-1]}" if len(found) > 1 else "".join(found)


def span(counts: Iterable[int]) -> str:
    """How many, of several numbers: `2,000`, or `1,990 to 2,000`."""
    found = sorted(set(counts))
    return " to ".join(f"{count:,}" for count in dict.fromkeys((found[0], found[-1]))) if found else NONE


def _thousands(count: int) -> str:
    return f"{count // 1000}k" if count and count % 1000 == 0 else str(count)
