"""Panels of lines with error bars -> a PNG."""

import io
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, DPI = 5.2, 3.4, 144  # inches, of a panel
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")  # Okabe and Ito's (2008)
STYLES = ("-", "--", ":", "-.")  # tell lines apart when the colours repeat
INK, FAINT = "#24292f", "#d0d7de"
LEGEND = 12  # lines named at most
LETTERS = 48  # letters of a name


@dataclass(frozen=True)
class Line:
    """A line through points, with error bars."""

    label: str
    """Empty if the line needs none."""
    x: tuple[float, ...]
    y: tuple[float, ...]
    """Points that are not finite are left out."""
    errors: tuple[float | None, ...]
    """Standard errors of y."""


@dataclass(frozen=True)
class Panel:
    """Lines that share their axes."""

    title: str
    """What y is."""
    x: str
    """What x is."""
    lines: tuple[Line, ...]
    ticks: tuple[str, ...] = ()
    """Names of x = 0, 1, ...; numbers if there are none."""


def draw(panels: Sequence[Panel]) -> bytes:
    """Draw panels side by side, on white, as a PNG."""
    from matplotlib.figure import Figure

    height = HEIGHT + 0.2 * max(_legend_lines(panel) for panel in panels)
    figure = Figure(figsize=(WIDTH * len(panels), height), dpi=DPI, layout="constrained", facecolor="white")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def drawable(text: str) -> str:
    """Return text on one line, cut to LETTERS, with "?" for characters that the font lacks."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont("DejaVu Sans"))
    line = " ".join(text.split())
    line = line if len(line) <= LETTERS else line[: LETTERS - 3] + "..."
    return "".join(
        each if font.get_char_index(ord(each)) and not unicodedata.category(each).startswith("C") else "?"
        for each in line
    )


def _legend_lines(panel: Panel) -> int:
    labels = [line.label for line in panel.lines if line.label]
    return math.ceil(min(LEGEND, len(labels)) / _columns(labels)) if labels else 0


def _draw(axes: "Axes", panel: Panel) -> None:
    handles = [_line(axes, line, place) for place, line in enumerate(panel.lines)]
    axes.set_title(drawable(panel.title), loc="left", fontsize=11, fontweight="bold", color=INK, parse_math=False)
    axes.set_xlabel(panel.x, fontsize=9, color=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(labelsize=8, color=FAINT, labelcolor=INK)
    axes.ticklabel_format(axis="y", useOffset=False)
    if panel.ticks:
        every = math.ceil(len(panel.ticks) / 6)
        places = range(len(panel.ticks) - 1, -1, -every)  # always includes the last run
        axes.set_xticks(list(places), [_tick(panel.ticks[place]) for place in places], parse_math=False)
        axes.set_xlim(-0.5, len(panel.ticks) - 0.5)
    if panel.lines[0].label:
        _legend(axes, handles, [line.label for line in panel.lines])


def _line(axes: "Axes", line: Line, place: int) -> Any:
    finite = [place for place, y in enumerate(line.y) if math.isfinite(y)]
    errors = [line.errors[place] or 0.0 for place in finite]
    bars = [error if math.isfinite(error) and error > 0 else 0.0 for error in errors]
    return axes.errorbar(
        [line.x[place] for place in finite],
        [line.y[place] for place in finite],
        yerr=bars if any(bars) else None,
        color=COLOURS[place % len(COLOURS)],
        linestyle=STYLES[place // len(COLOURS) % len(STYLES)],
        marker="o",
        markersize=4.5,
        linewidth=1.6,
        elinewidth=1,
        capsize=3,
    )


def _legend(axes: "Axes", handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Add a legend below the panel.

    The names are set afterwards: matplotlib would leave out those that begin with an underscore.
    """
    shown = min(len(labels), LEGEND)
    legend = axes.legend(
        handles[:shown], [str(place) for place in range(shown)], loc="upper left", bbox_to_anchor=(0, -0.2),
        ncols=_columns(labels), borderaxespad=0, fontsize=8, frameon=False, labelcolor=INK,
    )  # fmt: skip
    more = len(labels) - shown
    for place, text in enumerate(legend.get_texts()):
        text.set_parse_math(False)
        last = place == shown - 1 and more
        text.set_text(drawable(labels[place]) + (f" (and {more} more)" if last else ""))


def _columns(labels: Sequence[str]) -> int:
    """Return the number of columns of a legend: two if names are many and short."""
    return 2 if len(labels) > 3 and max(map(len, labels)) <= LETTERS // 2 else 1


def _tick(text: str) -> str:
    return "\n".join(drawable(line) for line in text.split("\n"))
