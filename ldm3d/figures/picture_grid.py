"""Rows of pictures under headings, each row with its caption above, as a PNG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ldm3d.figures.contact_sheet import GAP, LINE, TILE, cut, tile, typeface, wrap

INK, SOFT, ABSENT = (31, 35, 40), (89, 99, 110), (238, 240, 242)
STRETCH = 2.5  # limit on √(width / height) of a tile and on its inverse, for panoramas and towers


@dataclass(frozen=True)
class Heading:
    """A heading above one or more columns."""

    text: str
    columns: int = 1


@dataclass(frozen=True)
class PictureRow:
    """A row of pictures with its caption."""

    caption: str
    pictures: Sequence[NDArray[np.uint8] | None]
    """H x W x 3 RGB each; None leaves a place empty."""


def picture_grid(
    headings: Sequence[Sequence[Heading]], rows: Sequence[PictureRow], foot: Image.Image | None = None
) -> bytes:
    """Draw rows of pictures.

    Args:
        headings: lines of headings, each line spanning as many columns as there are pictures in a row.
        foot: drawn below the rows.

    Raises:
        ValueError: there are no rows, or no pictures in them.
    """
    columns = len(rows[0].pictures) if rows else 0
    if not columns:
        raise ValueError("a figure needs at least one row of pictures, got none")
    # lay out headings, rows and foot from top to bottom
    wide, high = _tile_size(rows)
    width, small = columns * (wide + GAP) + GAP, typeface(LINE - 3)
    texts = [wrap(row.caption, small, width - 2 * GAP) for row in rows]
    top = GAP + len(headings) * (LINE + 6)
    heights = [len(text) * LINE + 4 + high + GAP for text in texts]
    below = foot.height + GAP if foot else 0
    sheet = Image.new("RGB", (max(width, foot.width + 2 * GAP if foot else 0), top + sum(heights) + below), "white")
    # draw
    draw = ImageDraw.Draw(sheet)
    _draw_headings(draw, headings, wide)
    for row, text, y in zip(rows, texts, top + np.cumsum([0, *heights[:-1]]), strict=True):
        draw.multiline_text((GAP, y), "\n".join(text), fill=INK, font=small, spacing=2)
        for place, picture in enumerate(row.pictures):
            corner = (GAP + place * (wide + GAP), int(y) + len(text) * LINE + 4)
            empty = Image.new("RGB", (wide, high), ABSENT)
            sheet.paste(empty if picture is None else tile(picture, (wide, high)), corner)
    if foot:
        sheet.paste(foot, (GAP, top + sum(heights)))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _tile_size(rows: Sequence[PictureRow]) -> tuple[int, int]:
    """Return width and height of a tile: the first picture's aspect ratio, and the area of a square tile."""
    first = next((each for row in rows for each in row.pictures if each is not None), None)
    height, width = first.shape[:2] if first is not None else (1, 1)
    stretch = min(max((width / height) ** 0.5, 1 / STRETCH), STRETCH)
    return round(TILE * stretch), round(TILE / stretch)


def _draw_headings(draw: ImageDraw.ImageDraw, headings: Sequence[Sequence[Heading]], wide: int) -> None:
    for line, some in enumerate(headings):
        place, letters = 0, typeface(LINE - 2 if line == 0 else LINE - 4)
        for heading in some:
            room = heading.columns * (wide + GAP) - GAP
            text = cut(" ".join(heading.text[:500].split()), letters, room)
            fill = INK if line == 0 else SOFT
            draw.text((GAP + place * (wide + GAP), GAP + line * (LINE + 6)), text, fill=fill, font=letters)
            place += heading.columns
