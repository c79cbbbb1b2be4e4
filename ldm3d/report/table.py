"""A table, before it is HTML or Markdown."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.results.notation import NONE

Mark = Literal["", "worse", "better", "same", "incomparable", "new", "published"]


@dataclass(frozen=True)
class Cell:
    """text, and what stands below it in small print. mark: how it is coloured."""

    text: str = NONE
    small: str = ""
    mark: Mark = ""


@dataclass(frozen=True)
class Row:
    """published: it is the paper's."""

    cells: tuple[Cell, ...]
    published: bool = False


@dataclass(frozen=True)
class Table:
    """
    columns: headings. labels: how many columns, from the left, are words; the others are numbers.
    notes: sentences below it. differs: what is known to differ where published rows stand beside ours.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    title: str = ""
    labels: int = 1
    notes: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


def row(*cells: Cell | str, published: bool = False) -> Row:
    return Row(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells), published)
