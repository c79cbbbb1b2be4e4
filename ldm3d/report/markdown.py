"""A document -> GitHub-flavoured Markdown."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from ldm3d.report.blocks import (
    Banner,
    Block,
    Cell,
    Document,
    Fold,
    Heading,
    Items,
    Paragraph,
    Picture,
    Row,
    Table,
    clean,
)

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$])")
FIRST = re.compile(r"^([#+\-=:]|\d+(?=[.)]))")  # begins a heading, a list, a rule or a table
ADDRESS = re.compile(r"(?i)(https?|ftp|mailto|xmpp)(:)|(www)(\.)|(@)")  # GitHub makes these links by itself


def markdown(found: Document, folder: str = "plots") -> str:
    """Return a document as Markdown. Text of any origin stays text: it makes no markup and no link.

    Args:
        folder: where the pictures lie, under their names, relative to the file.
    """
    parts = [f"# {_inline(found.title)}", _text(found.subtitle), *_blocks(found.blocks, folder, 2)]
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: Iterable[Block], folder: str, level: int) -> Iterable[str]:
    """Render blocks within a section of a heading level."""
    for block in blocks:
        match block:
            case Heading():
                yield f"{'#' * block.level} {_inline(block.text)}"
            case Paragraph():
                yield _text(block.text)
            case Items():
                yield "\n\n".join(([f"**{_inline(block.title)}**"] if block.title else []) + [_list(block.items)])
            case Banner():
                yield f"> **{_inline(block.word)}.** {_inline(block.text)}"
            case Picture():
                yield f"![{_inline(block.alt)}]({quote(f'{folder}/{block.name}')})\n\n{_text(block.caption)}"
            case Fold():
                yield f"{'#' * (level + 1)} {_inline(block.title)}"
                yield from _blocks(block.blocks, folder, level + 1)
            case Table():
                yield from _table(block)


def _table(table: Table) -> Iterable[str]:
    if table.title:
        yield f"**{_inline(table.title)}**"
    rules = [":---" if place < table.labels else "---:" for place in range(len(table.columns))]
    lines = [[_inline(name) for name in table.columns], rules, *(_row(row) for row in table.rows)]
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if table.notes:
        yield _text(" ".join(table.notes))
    if table.caveats:
        yield "Known differences from the paper's rows:\n\n" + _list(table.caveats)


def _row(row: Row) -> list[str]:
    return [_cell(cell) for cell in row.cells]


def _cell(cell: Cell) -> str:
    text = f"**{_inline(cell.text)}**" if cell.mark else _inline(cell.text)
    return text + (f" ({_inline(cell.small)})" if cell.small else "")


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {_text(item)}" for item in items)


def _text(text: str) -> str:
    """Render text that begins a line: on one line, so that it begins no heading, list, rule or table."""
    return FIRST.sub(lambda found: found[1] + "\\" if found[1].isdigit() else f"\\{found[1]}", _inline(text))


def _inline(text: str) -> str:
    """Render text on one line, with every character that is special in Markdown or HTML escaped."""
    line = " ".join(clean(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    line = SPECIAL.sub(r"\\\1", line)
    return ADDRESS.sub(lambda found: f"{found[1] or found[3] or ''}\\{found[2] or found[4] or found[5]}", line)
