"""A sheet of samples to inspect by eye: image, coloured depth if there is depth, caption."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

TILE = 192  # pixels
LINES = 3  # of a caption
LINE = 16  # pixels
GAP = 10


@dataclass(frozen=True)
class Sample:
    """One sample to show."""

    image: NDArray[np.uint8]
    """H x W x 3 RGB."""
    depth: NDArray[np.uint16] | None
    """H x W, larger = nearer."""
    caption: str


def colour_depth(depth: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """H x W uint16 -> H x W x 3 uint8 RGB in OpenCV's inferno colours: near is bright, far is dark."""
    bgr = cv2.applyColorMap((depth >> 8).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(bgr[..., ::-1])


def contact_sheet(samples: Sequence[Sample], columns: int = 4, title: str = "") -> bytes:
    """Draw samples side by side, each as image | depth above its caption, with an optional title, as a PNG.

    If no sample has depth, no room is left for it.
    """
    if not samples:
        raise ValueError("a contact sheet needs at least one sample, got none")
    columns = min(columns, len(samples))
    rows = math.ceil(len(samples) / columns)
    wide = TILE if all(sample.depth is None for sample in samples) else 2 * TILE
    width, height = wide + GAP, TILE + LINES * LINE + GAP
    top = GAP + 2 * LINE if title else GAP
    sheet = Image.new("RGB", (columns * width + GAP, top + rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    font, large = typeface(LINE - 4), typeface(LINE)
    draw.text((GAP, GAP), cut(title[:500], large, columns * width - GAP), fill="black", font=large)
    for index, sample in enumerate(samples):
        x, y = GAP + index % columns * width, top + index // columns * height
        sheet.paste(tile(sample.image), (x, y))
        if sample.depth is not None:
            sheet.paste(tile(colour_depth(sample.depth)), (x + TILE, y))
        text = "\n".join(wrap(sample.caption, font, wide))
        draw.multiline_text((x, y + TILE + 2), text, fill="black", font=font, spacing=2)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def typeface(size: int) -> ImageFont.FreeTypeFont:
    """Load matplotlib's DejaVu Sans: it has Latin, Greek and Cyrillic letters, while Pillow's font only has ASCII."""
    matplotlib = find_spec("matplotlib")  # importing it would take a while
    assert matplotlib is not None
    assert matplotlib.origin is not None
    return ImageFont.truetype(Path(matplotlib.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf", size)


def tile(pixels: NDArray[np.uint8], size: tuple[int, int] = (TILE, TILE)) -> Image.Image:
    """Resize to width and height. Small pictures are enlarged pixel by pixel, so that one sees what is stored."""
    small = max(pixels.shape[:2]) < max(size)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)


def wrap(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break text into at most LINES lines that fit `width` pixels; a longer text ends in an ellipsis."""
    lines = [""]
    for word in text[:500].split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        elif len(lines) < LINES:
            lines.append(word)
        else:
            lines[-1] += " ..."
            break
    return [cut(line, font, width) for line in lines]


def cut(line: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """Cut a line to the letters that fit `width` pixels."""
    while line and font.getlength(line) > width:
        line = line[:-1]
    return line
