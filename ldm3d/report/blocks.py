"""What a report consists of, before it is HTML or Markdown."""

import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

from ldm3d.results.notation import NONE
from ldm3d.results.verdict import Kind

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


@dataclass(frozen=True)
class Heading:
    """level: 2 of sections, 3 below them."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Items:
    """A list. title: a line above it."""

    items: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Banner:
    """The verdict: a word, and a sentence."""

    kind: Kind
    word: str
    text: str


@dataclass(frozen=True)
class Picture:
    """name: of its file. alt: what it shows, for who cannot see it. small: half the width of a page will do."""

    name: str
    content: bytes
    alt: str
    caption: str
    small: bool = False


@dataclass(frozen=True)
class Fold:
    """What few want to see at once."""

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


UNSEEN = "\N{REPLACEMENT CHARACTER}"


TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # the direction of what follows


def clean(text: str) -> str:
    """Without control characters, halves of surrogate pairs, which UTF-8 does not have, and turns of direction."""
    return "".join(letter if letter in "\n\t" or not _unfit(letter) else UNSEEN for letter in text)


def _unfit(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in TURNING
