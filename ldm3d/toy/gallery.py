"""Real photographs as a second small world: LAION-style metadata, and the pages behind its URLs."""

from pathlib import Path

from ldm3d.toy import pictures
from ldm3d.toy.faults import Content
from ldm3d.toy.photographs import photographs
from ldm3d.toy.web import Page
from ldm3d.toy.world import Row, World, write_metadata


def build_gallery(folder: str | Path, base_url: str) -> World:
    """Write the metadata of all photographs to `folder` and return the world it describes; nothing is faulty.

    Raises:
        ImportError: scikit-image is not installed.
    """
    rows: list[Row] = []
    pages: dict[str, Page] = {}
    for name, caption, image in photographs():
        path = f"/photographs/{name}.jpg"
        pages[path] = Content(pictures.jpeg(image))
        rows.append(Row(name, base_url + path, caption, width=image.shape[1], height=image.shape[0]))
    write_metadata(Path(folder), tuple(rows))
    return World(tuple(rows), pages)
