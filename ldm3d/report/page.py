"""A document -> one self-contained HTML page without scripts."""

import base64
import html
from collections.abc import Iterable, Sequence
from itertools import groupby

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
from ldm3d.report.style import CSS

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(found: Document) -> str:
    """Return a document as HTML with its pictures inside. Text of any origin stays text: it makes no markup."""
    headings = [block.text for block in found.blocks if isinstance(block, Heading) and block.level == 2]
    links = "".join(f'<a href="#{_anchor(text)}">{_text(text)}</a>' for text in headings)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(found.title)}</title>
<style>{CSS}</style>
</head>
<body>
<h1>{_text(found.title)}</h1>
<p class="subtitle">{_text(found.subtitle)}</p>
{_blocks(found.blocks[:1])}
<nav>{links}</nav>
{_blocks(found.blocks[1:])}
</body>
</html>
"""


def _blocks(blocks: Iterable[Block]) -> str:
    """Render blocks one after the other; consecutive pictures share a line if there is room."""
    parts = []
    for pictures, some in groupby(blocks, lambda block: isinstance(block, Picture)):
        inner = "\n".join(_block(block) for block in some)
        parts.append(f'<div class="figures">\n{inner}\n</div>' if pictures else inner)
    return "\n".join(parts)


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f'<h{block.level} id="{_anchor(block.text)}">{_text(block.text)}</h{block.level}>'
        case Paragraph():
            return f"<p>{_text(block.text)}</p>"
        case Items():
            return (f"<h3>{_text(block.title)}</h3>\n" if block.title else "") + _list(block.items)
        case Banner():
            return f'<div class="banner {block.kind}"><strong>{_text(block.word)}</strong> {_text(block.text)}</div>'
        case Picture():
            return _picture(block)
        case Fold():
            return f"<details><summary>{_text(block.title)}</summary>\n{_blocks(block.blocks)}\n</details>"
        case Table():
            return _table(block)


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.content).decode("ascii")
    wide = "" if picture.small else ' class="wide"'
    return (
        f'<figure{wide}><img src="data:image/png;base64,{data}" alt="{_text(picture.alt)}">'
        f"<figcaption>{_text(picture.caption)}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    kinds = [' class="number"' if place >= table.labels else "" for place in range(len(table.columns))]
    heads = "".join(
        f'<th scope="col"{kind}>{_text(name)}</th>' for name, kind in zip(table.columns, kinds, strict=True)
    )
    caption = f"<caption>{_text(table.title)}</caption>" if table.title else ""
    rows = "\n".join(_row(row, kinds) for row in table.rows)
    notes = f'\n<p class="note">{_text(" ".join(table.notes))}</p>' if table.notes else ""
    if table.caveats:
        notes += '\n<p class="note">Known differences from the paper\'s rows:</p>\n'
        notes += _list(table.caveats, ' class="note"')
    body = f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>"
    return f'<div class="scroll"><table>{caption}\n{body}</table></div>{notes}'


def _row(row: Row, kinds: Sequence[str]) -> str:
    cells = "".join(f"<td{kind}>{_cell(cell)}</td>" for cell, kind in zip(row.cells, kinds, strict=True))
    kind = ' class="published"' if row.published else ""
    return f"<tr{kind}>{cells}</tr>"


def _cell(cell: Cell) -> str:
    text = f'<b class="{cell.mark}">{_text(cell.text)}</b>' if cell.mark else _text(cell.text)
    return text + (f"<small>{_text(cell.small)}</small>" if cell.small else "")


def _list(items: Iterable[str], kind: str = "") -> str:
    return f"<ul{kind}>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"


def _anchor(heading: str) -> str:
    """Make an id of a heading. Headings are the report's own words, so they need no escaping."""
    return "".join(letter if letter.isalnum() else "-" for letter in heading.lower())


def _text(text: str) -> str:
    return html.escape(clean(text), quote=True)
