"""The building blocks of a report, independent of HTML and Markdown."""

import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

from ldm3d.results.notation import NONE
from ldm3d.results.verdict import Kind

UNSEEN = "\N{REPLACEMENT CHARACTER}"
BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # change the direction of text

Mark = Literal["", "worse", "better", "same", "incomparable", "new", "published"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str = NONE
    small: str = ""
    """Small print below the text."""
    mark: Mark = ""
    """How the cell is coloured."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: tuple[Cell, ...]
    published: bool = False
    """Whether the row is the paper's."""


@dataclass(frozen=True)
class Table:
    """A table with notes below it."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    title: str = ""
    labels: int = 1
    """How many columns, from the left, are words; the others are numbers."""
    notes: tuple[str, ...] = ()
    """Sentences below the table."""
    caveats: tuple[str, ...] = ()
    """What is known to differ between our rows and the paper's, a sentence each."""


@dataclass(frozen=True)
class Heading:
    """The heading of a section."""

    text: str
    level: int = 2
    """2 for sections, 3 below them."""


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Items:
    """A list, with an optional title above it."""

    items: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Banner:
    """The verdict: a word and a sentence."""

    kind: Kind
    word: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption."""

    name: str
    """File name."""
    content: bytes
    alt: str
    """What it shows, for readers who cannot see it."""
    caption: str
    small: bool = False
    """Whether half the width of a page is enough."""


@dataclass(frozen=True)
class Fold:
    """Blocks that are hidden until the reader opens them."""

    title: str
    blocks: tuple[Any, ...]


Block = Heading | Paragraph | Items | Banner | Picture | Fold | Table


@dataclass(frozen=True)
class Document:
    title: str
    subtitle: str
    blocks: tuple[Block, ...]


def row(*cells: Cell | str, published: bool = False) -> Row:
    return Row(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells), published)


def clean(text: str) -> str:
    """Replace control characters, lone surrogates, which UTF-8 cannot encode, and changes of text direction."""
    return "".join(letter if letter in "\n\t" or not _unfit(letter) else UNSEEN for letter in text)


def _unfit(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in BIDI_CONTROLS
