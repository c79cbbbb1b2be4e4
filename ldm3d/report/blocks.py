"""What a report consists of, before it is HTML or Markdown."""

from dataclasses import dataclass
from typing import Any

from ldm3d.report.table import Table
from ldm3d.results.verdict import Kind


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
