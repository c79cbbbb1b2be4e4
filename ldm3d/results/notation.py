"""How metrics, values and counts are written."""

import json
import math
from collections.abc import Iterable
from typing import Any

from ldm3d.config.places import shown
from ldm3d.results.metrics import METRICS

ARROWS = {"lower": "↓", "higher": "↑"}
FEW = 10_000  # with fewer pictures a Fréchet distance has their number in its title, for its bias goes with 1/N
DISTANCES = ("fid", "rfid", "fd_dinov2")
NONE = "\N{EN DASH}"
VALIDATED = {  # numbers of a training's validation, with units
    "loss": "loss {:.4g}",
    "reconstruction": "reconstruction loss {:.4g}",
    "psnr_db": "PSNR {:.4g} dB",
    "ssim": "SSIM {:.4g} of 1",
    "lpips": "LPIPS {:.4g}",
    "depth_l1": "depth L1 {:.4g} of 1",
    "depth_l1_aligned": "depth L1 {:.4g} of 1 after scaling to the label",
}


def title(metric: str, counts: Iterable[int] = (), *, surrogate: bool = False, arrow: bool = False) -> str:
    """Return the title of a metric, such as `FID-2k (surrogate) ↓`.

    Args:
        counts: pictures behind each value under this title.
        arrow: point in the better direction.
    """
    about = METRICS[metric]
    sizes = set(counts)
    parts = [short(metric, sizes.pop()) if len(sizes) == 1 else about.title]
    parts += ["(surrogate)"] if surrogate else []
    parts += [ARROWS[about.better]] if arrow else []
    return " ".join(parts)


def short(metric: str, count: int) -> str:
    """Return the title of a metric, with the number of pictures if they are few for it."""
    few = metric in DISTANCES and count < FEW
    return METRICS[metric].title + (f"-{_thousands(count)}" if few else "")


def number(value: float, digits: int) -> str:
    """Write a value with `digits` digits after the point, or with two significant ones if it would round to zero, and
    a dash for NaN."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) >= 1e7 or 0 < abs(value) < 0.5 * 10**-digits:
        return f"{value:.2g}"
    return f"{value:,.{digits}f}"


def with_error(value: float, error: float | None, digits: int) -> str:
    """Write `27.82 ± 0.31`, or the value alone if the error is unknown."""
    if error is None or math.isnan(error):
        return number(value, digits)
    return f"{number(value, digits)} ± {number(error, digits)}"


def validated(name: str, value: float) -> str:
    """Write a number of a training's validation, saying what it is."""
    return VALIDATED.get(name, f"{name} {{:.4g}}").format(value)


def signed(change: float, digits: int) -> str:
    """Write a difference with its sign."""
    return ("+" if change > 0 else "") + number(change, digits)


def plain(value: Any) -> str:
    """Write a setting: text as it is, but for paths of this machine, and anything else as JSON."""
    if value is None:
        return NONE
    return shown(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def fact(value: Any) -> str:
    """Write a setting with its numbers grouped: `7.5`, `5`, `30,000`."""
    if isinstance(value, float):
        return f"{value:,g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return plain(value)


def either(values: Iterable[str], most: int = 6) -> str:
    """Write distinct values as `10, 25 or 50`, the rest beyond `most` as `others`."""
    found = list(dict.fromkeys(values))
    if len(found) > most:
        found = [*found[: most - 1], "others"]
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} or {found[-1]}"


def span(counts: Iterable[int]) -> str:
    """Write the range of several counts: `2,000`, or `1,990 to 2,000`."""
    found = sorted(set(counts))
    if not found:
        return NONE
    ends = dict.fromkeys((found[0], found[-1]))
    return " to ".join(f"{count:,}" for count in ends)


def _thousands(count: int) -> str:
    return f"{count // 1000}k" if count and count % 1000 == 0 else str(count)
